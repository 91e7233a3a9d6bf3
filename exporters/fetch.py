"""Fetches another program's page within the time of a scrape."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from exporters.collector import Context, OptionError
from exporters.secret import TokenError, read_token

Fetch = Callable[[], bytes]
"""Returns a page. Raises SourceError."""

_CONNECT, _READ, _TOTAL = 0.5, 0.7, 0.9
"""Seconds. A source that is silent once connected is given up before a scrape's deadline, 1 s, so that its own error is
what is shown; one that drips can take _READ longer than _TOTAL, and then the deadline itself speaks."""

_LARGEST = 16 * 2**20
_CHUNK = 65536


class SourceError(Exception):
    """The source does not answer; the text says why."""


def fetcher(url: str, option: str, auth: tuple[str, str] | None = None, ca_file: str | None = None) -> Fetch:
    """Return what fetches `url`, given by `option`, as user and password `auth`. Raises OptionError for a bad one.

    `ca_file`: the CA by which a server of https:// is known, in place of the system's.
    """
    import requests  # noqa: PLC0415 - only this collector needs an HTTP client

    try:
        prepared = requests.Request("GET", url).prepare()
    except requests.RequestException as error:
        raise OptionError(f"--{option} {url!r} is not an address: {error}") from error
    if not url.startswith(("http://", "https://")) or "@" in (prepared.url or "").split("/")[2]:
        raise OptionError(f"--{option} must be http[s]://HOST:PORT/metrics, without a password in it")
    session = requests.Session()
    # A proxy of the environment, or a password in ~/.netrc, is not meant for a GPU of this node.
    session.trust_env = False
    session.auth = auth
    session.verify = ca_file or True

    def fetch() -> bytes:
        deadline = time.monotonic() + _TOTAL
        try:
            with session.get(url, timeout=(_CONNECT, _READ), stream=True, allow_redirects=False) as answer:
                if answer.status_code != requests.codes.ok:
                    raise SourceError(f"it answers with HTTP {answer.status_code}")
                return _body(answer.iter_content(_CHUNK), deadline)
        except requests.Timeout as error:
            raise SourceError("it does not answer in time") from error
        except OSError as error:  # requests' errors are OSErrors too, and the CA's file may be missing
            # Its text names an object's address, which would make another series at each scrape.
            raise SourceError(f"it is not to be reached: {type(error).__name__}") from error

    return fetch


def _body(parts: Iterable[bytes], deadline: float) -> bytes:
    """Join the parts of an answer; raises SourceError for one that is too large or too slow."""
    page = bytearray()
    for part in parts:
        page += part
        if len(page) > _LARGEST:
            raise SourceError(f"its page is larger than {_LARGEST} bytes")
        if time.monotonic() > deadline:
            raise SourceError(f"its page took longer than {_TOTAL:g} s")
    return bytes(page)


def password(context: Context, option: str) -> tuple[str, str] | None:
    """Return user and password of the file that `option` names; None where it was not given. Raises OptionError."""
    path = context.option(option)
    if path is None:
        return None
    try:
        user, colon, word = read_token(Path(path)).partition(":")
    except TokenError as error:
        raise OptionError(f"--{option}: {error}") from error
    if not colon or not user:
        raise OptionError(f"--{option} {path} must hold USER:PASSWORD")
    return user, word
