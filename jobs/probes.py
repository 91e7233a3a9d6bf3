"""Probes that several programs share. A service with a protocol of its own brings its probe in its own file."""

from dataclasses import dataclass
from pathlib import Path

import requests

RUN_HEADER = "X-Dashcam-Run"


@dataclass(frozen=True)
class HttpProbe:
    """Ready when `url` answers 200 to our secret; a program without it cannot be ours.

    `refuses_strangers` also asks once without the secret: who answers that is not the program that we started.
    `run_id`, where given, must come back in the answer's X-Dashcam-Run header. `ca_file`: the CA by which a server of
    ours that speaks TLS is known.
    """

    url: str
    token_file: Path | None = None
    basic: tuple[str, Path] | None = None
    run_id: str | None = None
    refuses_strangers: bool = False
    timeout: float = 2.0
    ca_file: Path | None = None

    def check(self) -> str | None:
        """See `jobs.program.Probe`."""
        headers = {"Authorization": f"Bearer {self.token_file.read_text().strip()}"} if self.token_file else {}
        auth = (self.basic[0], self.basic[1].read_text().strip()) if self.basic else None
        try:
            with requests.Session() as session:
                session.trust_env = False  # a site's proxy must not stand between us and our own node
                session.verify = True if self.ca_file is None else str(self.ca_file)
                answer = session.get(self.url, headers=headers, auth=auth, timeout=self.timeout)
                if answer.status_code in {401, 403}:
                    return f"{self.url} refuses our secret: another program holds the port"
                if answer.status_code != requests.codes.ok:
                    return f"{self.url} answers {answer.status_code}"
                if self.run_id and answer.headers.get(RUN_HEADER) != self.run_id:
                    return f"{self.url} is answered by another run"
                if self.refuses_strangers:
                    stranger = session.get(self.url, timeout=self.timeout)
                    if stranger.status_code not in {401, 403}:
                        return f"{self.url} answers without our secret: another program holds the port"
        except requests.RequestException as error:
            foreign = isinstance(error, requests.exceptions.SSLError)
            why = "does not show the run's certificate: another program holds the port"
            return f"{self.url} {why if foreign else f'does not answer yet ({type(error).__name__})'}"
        return None
