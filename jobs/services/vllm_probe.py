"""Readiness of a vLLM server: it is the one that we started, and it answers correctly."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests


@dataclass(frozen=True)
class VllmProbe:
    """Ready when the server knows our key and refuses strangers, has our model, and it answers a request with a token.

    `embeddings`: when it answers with a vector. A timeout in seconds for the answer: until it comes nobody listens.
    """

    url: str
    key_file: Path
    model: str
    embeddings: bool = False
    timeout: float = 10.0

    def check(self) -> str | None:
        """See `jobs.program.Probe`."""
        key = {"Authorization": f"Bearer {self.key_file.read_text().strip()}"}
        models = f"{self.url}/v1/models"
        try:
            with requests.Session() as session:
                session.trust_env = False  # a site's proxy must not stand between us and our own node
                listed = session.get(models, headers=key, timeout=2)
                if listed.status_code in {401, 403}:
                    return f"{models} refuses our key: another program holds the port"
                if listed.status_code != requests.codes.ok:
                    return f"{models} answers {listed.status_code}"
                if self.model not in (names := [each["id"] for each in listed.json()["data"]]):
                    return f"{models} has {', '.join(names)}, not {self.model}: another program holds the port"
                for path in ("/v1/models", "/metrics"):
                    if session.get(f"{self.url}{path}", timeout=2).status_code not in {401, 403}:
                        return f"{self.url}{path} answers without our key: another program holds the port"
                return self._answer(session, key)
        except (requests.RequestException, AttributeError, KeyError, TypeError) as error:
            return f"{self.url} does not answer yet ({type(error).__name__})"

    def _answer(self, session: requests.Session, key: Mapping[str, str]) -> str | None:
        path = "/v1/embeddings" if self.embeddings else "/v1/completions"
        asked: dict[str, Any] = {"input": "ready"} if self.embeddings else {"prompt": "ready", "max_tokens": 1}
        answer = session.post(
            f"{self.url}{path}", json={"model": self.model, **asked}, headers=dict(key), timeout=self.timeout
        )
        if answer.status_code != requests.codes.ok:
            return f"{self.url}{path} answers {answer.status_code}: {answer.text[:200]}"
        told = answer.json()
        right = bool(told["data"][0]["embedding"]) if self.embeddings else told["usage"]["completion_tokens"] == 1
        return None if right else f"{self.url}{path} answers, but not what was asked for: {answer.text[:200]}"
