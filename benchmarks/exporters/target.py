"""A sidecar as Prometheus sees it: the same request, with the connection kept where the sidecar keeps it."""

import base64
import gzip
import http.client
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.meter import cpu_seconds

_ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
"""What Prometheus 2.42 sends, and `gzip`: programs that compress pay for it."""


class Target:
    """A program that answers /metrics."""

    def __init__(self, name: str, pid: int, address: str, authorization: str, *, compressed: bool = True) -> None:
        self.name = name
        self.pid = pid
        self._connection = http.client.HTTPConnection(address, timeout=10)
        self._headers = {
            "Accept": _ACCEPT,
            "Authorization": authorization,
            "User-Agent": "Prometheus/2.42.0",
            "Accept-Encoding": "gzip" if compressed else "identity",
        }

    def scrape(self) -> str:
        """Return the page. Raises OSError where the program is gone, AssertionError where it refuses."""
        try:
            self._connection.request("GET", "/metrics", headers=self._headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except OSError:
            self._connection.close()  # to be usable again
            raise
        assert answer.status == http.client.OK, f"{self.name} answers {answer.status}"
        return (gzip.decompress(content) if answer.headers["Content-Encoding"] == "gzip" else content).decode()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def basic(user: str, password: str) -> str:
    """Return the header's value for a user and a password."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def bearer(token_file: Path) -> str:
    """Return the header's value for the token in a file."""
    return f"Bearer {token_file.read_text().strip()}"


def samples(page: str) -> int:
    """Count the samples of a page."""
    return len(re.findall(r"^[^#\n]", page, re.MULTILINE))


def check(page: str, *wanted: str) -> None:
    """Fail where a page is not the one that was to be measured: `wanted` are lines' beginnings with value 1."""
    failed = re.findall(r'^exporter_collector_success\{collector="(\w+)"\} 0', page, re.MULTILINE)
    assert not failed, f"collectors failed: {', '.join(failed)}"
    for name in wanted:
        assert re.search(rf"^{name}\S* 1(\.0)?$", page, re.MULTILINE), f"{name} is not 1"


def cost(
    targets: Sequence[Target], scrapes: int, interval: float, advance: Callable[[], None] | None = None
) -> dict[str, float]:
    """Scrape all targets in turn, `scrapes` times, `interval` seconds from turn to turn; `advance` comes before each.

    Returns the CPU seconds of a scrape by the target's name. Each turn begins with another target, so that none always
    finds the caches that the same neighbour left.
    """
    before = {target.name: cpu_seconds(target.pid) for target in targets}
    begun = time.monotonic()
    for turn in range(scrapes):
        time.sleep(max(0.0, begun + turn * interval - time.monotonic()))
        if advance is not None:
            advance()
        first = turn % len(targets)
        for target in (*targets[first:], *targets[:first]):
            target.scrape()
    return {target.name: (cpu_seconds(target.pid) - before[target.name]) / scrapes for target in targets}
