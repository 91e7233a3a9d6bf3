"""Readiness of an S3 store: it takes an object under our key, gives it back, and refuses strangers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests


@dataclass(frozen=True)
class S3Probe:
    """Ready when S3 takes an object under the run's own key and gives it back; no other store knows that key."""

    url: str
    key_file: Path

    def check(self) -> str | None:
        """See `jobs.program.Probe`."""
        try:
            with requests.Session() as session:
                session.trust_env = False  # a site's proxy must not stand between us and our own node
                for method, path, wanted in (
                    *(("GET", "/", 200), ("PUT", "/dashcam-ready", 200), ("PUT", "/dashcam-ready/object", 200)),
                    ("GET", "/dashcam-ready/object", 200),
                    *(("DELETE", "/dashcam-ready/object", 204), ("DELETE", "/dashcam-ready", 204)),
                ):
                    answer = session.send(self._signed(method, path), timeout=5)
                    if answer.status_code not in {wanted, requests.codes.conflict}:
                        return f"{self.url} answers {answer.status_code} to {method} {path}: {answer.text[:200]}"
                if session.get(self.url, timeout=5).status_code != requests.codes.forbidden:
                    return f"{self.url} answers without our key: another program holds the port"
        except requests.RequestException as error:
            return f"{self.url} does not answer yet ({type(error).__name__})"
        return None

    def _signed(self, method: str, path: str) -> requests.PreparedRequest:
        from botocore.auth import S3SigV4Auth  # noqa: PLC0415 - an extra, needed where a recipe names this kind
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - an extra
        from botocore.credentials import Credentials  # noqa: PLC0415 - an extra

        request: Any = AWSRequest(method, f"{self.url}{path}", data=b"")
        access, _, secret = self.key_file.read_text().strip().partition(":")
        S3SigV4Auth(Credentials(access, secret), "s3", "us-east-1").add_auth(request)
        return requests.Request(method, f"{self.url}{path}", headers=dict(request.headers.items()), data=b"").prepare()
