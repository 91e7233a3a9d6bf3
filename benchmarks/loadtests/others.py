"""Load generators of others: k6 and wrk."""

import os
import shutil
from pathlib import Path

from loadtests.k6 import command

_SCRIPT = """
import http from 'k6/http';
export const options = {{ scenarios: {{ load: {executor} }} }};
export default function () {{ http.get('{url}'); }}
"""
_CLOSED = "{{ executor: 'constant-vus', vus: {users}, duration: '{seconds}s' }}"
_OPEN = (
    "{{ executor: 'constant-arrival-rate', rate: {rate}, timeUnit: '1s', duration: '{seconds}s',"
    " preAllocatedVUs: {users}, maxVUs: {users} }}"
)


def wrk(url: str, users: int, seconds: int) -> tuple[str, ...]:
    """Return wrk's command line: `users` connections, one thread. It knows no rate."""
    found = shutil.which("wrk")
    assert found, "there is no wrk: `make bench-load` installs it"
    return (found, "--threads", "1", "--connections", str(users), "--duration", f"{seconds}s", url)


def wrk_there() -> bool:
    """Tell whether wrk is installed."""
    return shutil.which("wrk") is not None


def k6(place: Path, url: str, *, users: int, seconds: int, rate: int | None = None, csv: bool) -> tuple[str, ...]:
    """Return k6's command line, with the shortest script there is; `csv`: it writes what it measures of each request.

    `rate` in requests/s; None: each user asks again at once.
    """
    executor = (_CLOSED if rate is None else _OPEN).format(users=users, seconds=seconds, rate=rate)
    script = place / "script.js"
    script.write_text(_SCRIPT.format(executor=executor, url=url))
    binary = command.find()
    words = [binary, "run", "--quiet", "--no-color"]
    if command.version(binary).major == 1:
        words += ["--address", ""]
    if csv:
        words += ["--out", f"csv={place / 'points.csv'}"]
    return (*words, str(script))


def k6_environment() -> dict[str, str]:
    """Return an environment in which k6 tells nobody and loads nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("K6_")}
    quiet = {"K6_NO_USAGE_REPORT": "true", "K6_AUTO_EXTENSION_RESOLUTION": "false", "K6_BINARY_PROVISIONING": "false"}
    return {**kept, **quiet, "NO_PROXY": "*", "no_proxy": "*"}
