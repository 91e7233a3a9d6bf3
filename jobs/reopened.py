"""Grafana beside recordings that are opened again: the same server and settings as a run's, their archived dashboards.

Dashboards of one run are shown as they were archived, with its absolute time range. Of several runs: each dashboard
once, over the time from the first run's start to the last one's end, with the variable `run` taking all of them.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grafana import provisioning, server
from grafana.provisioning import Source
from grafana.server import GrafanaError
from jobs.grafana import LOOPBACK, GrafanaProbe
from prometheus.web import Credentials
from runs import atomic

_READY_WITHIN = 60.0
"""Seconds."""
_VARIABLE = "run"


@dataclass(frozen=True)
class Beside:
    """A Grafana that answers on loopback, and what it was given to show."""

    url: str
    user: str
    password_file: Path
    process: "subprocess.Popen[bytes]"
    dashboards: tuple[str, ...]


@contextlib.contextmanager
def beside(
    source: Source, folders: Sequence[Path], span: tuple[float, float], scratch: Path
) -> Iterator[Beside | None]:
    """Serve the dashboards of `folders` over `source` until the end of the block; None: no Grafana is installed.

    `span`: UTC seconds that several runs are shown over. Raises GrafanaError, OSError.
    """
    installation = server.find()
    if installation is None:
        yield None
        return
    place, chosen = server.Place(scratch / "grafana"), scratch / "dashboards"
    for path in (place.root / "data", place.root / "logs", place.root / "plugins", chosen):
        path.mkdir(parents=True, mode=0o700)
    names = _write(gather(folders, span), chosen)
    credentials = Credentials.generate()
    values = {
        "admin": credentials.password,
        "key": secrets.token_urlsafe(32),
        "prometheus": source.password_file.read_text().strip(),
    }
    for name, value in values.items():
        atomic.write(place.secret(name), value, mode=0o600, sync=False)
    inner = Source(source.url, source.user, place.secret("prometheus"), source.interval, source.version)
    provisioning.write(place.provisioning, inner, chosen)
    atomic.write(place.config, server.ini(), sync=False)
    address = f"{LOOPBACK}:{_free_port()}"
    home = chosen / "overview.json"
    own = server.environment(place, address, credentials.user, "replay", home if home.is_file() else None)
    without = server.strays(os.environ, own)
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    log = scratch / "grafana.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            server.command(installation, place), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            cwd=place.root, env={**inherited, **own}, start_new_session=True,
        )  # fmt: skip
    try:
        url = f"http://{address}"
        _wait(process, GrafanaProbe(url, credentials.user, place.secret("admin")), log)
        yield Beside(url, credentials.user, place.secret("admin"), process, names)
    finally:
        _stop(process)


def gather(folders: Sequence[Path], span: tuple[float, float]) -> dict[str, dict[str, Any]]:
    """Return the dashboards of some runs by file name, each once; those that are no JSON are left out."""
    found: dict[str, dict[str, Any]] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.json"))):
        with contextlib.suppress(ValueError):
            dashboard = json.loads(path.read_bytes())
            if isinstance(dashboard, dict):
                found.setdefault(path.name, dashboard)
    return {name: _of_all(one, span) for name, one in found.items()} if len(folders) > 1 else found


def _of_all(dashboard: Mapping[str, Any], span: tuple[float, float]) -> dict[str, Any]:
    """Show all runs: the time of them all, and every run that the variable finds."""
    start, end = (datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z") for moment in span)
    templating = dashboard.get("templating") or {}
    variables = [
        {
            **one,
            "multi": True,
            "includeAll": True,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }
        if isinstance(one, dict) and one.get("name") == _VARIABLE
        else one
        for one in templating.get("list", [])
    ]
    time_ = {"from": start, "to": end}
    return {**dashboard, "time": time_, "refresh": "", "templating": {**templating, "list": variables}}


def _write(dashboards: Mapping[str, Mapping[str, Any]], folder: Path) -> tuple[str, ...]:
    for name, dashboard in dashboards.items():
        atomic.write(folder / name, json.dumps(dashboard), sync=False)
    return tuple(str(dashboard.get("uid", "")) for dashboard in dashboards.values())


def _wait(process: "subprocess.Popen[bytes]", probe: GrafanaProbe, log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while (reason := probe.check()) is not None:
        ended = process.poll()
        if ended is not None or time.monotonic() > deadline:
            why = f"ended with {ended}" if ended is not None else f"is not ready in {_READY_WITHIN:.0f} s: {reason}"
            tail = "".join(f"\n    | {line[:300]}" for line in log.read_text(errors="replace").splitlines()[-8:])
            raise GrafanaError(f"Grafana {why}{tail}")
        time.sleep(0.05)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
