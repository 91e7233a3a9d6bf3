"""Readiness of a database over REST: it knows our key and no stranger, and finds again what it was given."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

_REFUSED = (401, 403)
NAME = "dashcam_ready"
"""The collection that a probe makes, searches and removes. No load may have one of that name."""


class NotReadyError(Exception):
    """Not yet; the text says what was answered to what."""


@dataclass(frozen=True)
class Asker:
    """Asks one server. `headers` hold the secret. A timeout in seconds for each answer."""

    url: str
    session: requests.Session
    headers: Mapping[str, str]
    timeout: float = 10.0

    def __call__(self, method: str, path: str, body: Any = None, *, accept: tuple[int, ...] = (200,)) -> Any:
        """Return the JSON of an answer, None where there is none. Raises NotReadyError, requests.RequestException."""
        answer = self.session.request(
            method, f"{self.url}{path}", json=body, headers=dict(self.headers), timeout=self.timeout
        )
        if answer.status_code in _REFUSED:
            raise NotReadyError(f"{self.url}{path} refuses our key: another program holds the port")
        if answer.status_code not in accept:
            raise NotReadyError(f"{self.url}{path} answers {answer.status_code} to {method}: {answer.text[:200]}")
        try:
            return answer.json()
        except requests.JSONDecodeError:
            return None

    def stranger(self, method: str, path: str, body: Any = None) -> None:
        """See that the server refuses who has no key. Raises NotReadyError, requests.RequestException."""
        answer = self.session.request(method, f"{self.url}{path}", json=body, timeout=self.timeout)
        if answer.status_code not in _REFUSED:
            raise NotReadyError(f"{self.url}{path} answers without our key: another program holds the port")


@dataclass(frozen=True)
class RestProbe(ABC):
    """What a kind's probe derives from: `header` and what stands in it before the key, and `trial`."""

    url: str
    key_file: Path
    header: str = field(default="Authorization", init=False)
    before: str = field(default="Bearer ", init=False)

    @abstractmethod
    def trial(self, ask: Asker) -> None:
        """Give the server something, find it, remove it; each step may come again. Raises NotReadyError."""
        ...

    def check(self) -> str | None:
        """See `jobs.program.Probe`."""
        key = {self.header: self.before + self.key_file.read_text().strip()}
        try:
            with requests.Session() as session:
                session.trust_env = False  # a site's proxy must not stand between us and our own node
                self.trial(Asker(self.url, session, key))
        except NotReadyError as error:
            return str(error)
        except requests.RequestException as error:
            return f"{self.url} does not answer yet ({type(error).__name__})"
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            return f"{self.url} answers, but not as documented ({type(error).__name__}: {error})"
        return None


def found(path: str, wanted: object, got: object) -> None:
    """See that a search found what was put in. Raises NotReadyError."""
    if str(wanted) != str(got):
        raise NotReadyError(f"{path} found {got!r}, where {wanted!r} was put in")
