"""`python -m benchmarks.scale [NAME...] [--short]`: 1,000 targets of 500 series; the name is the interval."""

import subprocess
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import command
from benchmarks.figures import Goal, Spread, show
from benchmarks.meter import memory
from benchmarks.scale import ending, living, place
from benchmarks.scale.place import Size
from jobs.copying import every
from prometheus import server, web
from prometheus.client import Client
from prometheus.config import write_config
from prometheus.loopback import LOOPBACK, free_port, stop
from prometheus.version import Version
from runs.manifest import PhaseSpan

_SECONDS = 40.0
KILL_WAIT = 30.0
"""Seconds from SIGTERM to SIGKILL of a Slurm job, by default."""

SIZES = {f"{interval:g}s": Size(1000, 500, interval, _SECONDS) for interval in (5.0, 2.0, 1.0)}
SIZES["100"] = Size(100, 500, 1, _SECONDS)


def run(size: Size, short: bool) -> list[Goal]:
    """Measure one size; `short`: for 20 s."""
    size = Size(size.targets, size.series, size.interval, 20) if short else size
    with tempfile.TemporaryDirectory(prefix="dashcam-scale-") as folder:
        return _measure(size, Path(folder))


def _measure(size: Size, root: Path) -> list[Goal]:
    journal = place.make(root / "recordings", size)
    made = journal.run
    files = web.write_web_config(made.live, "prometheus", web.Credentials.generate())
    ended = ending.Ended(root / "data", made.series_copy, root / "scratch")
    with place.exporters(size, files) as (exporters, scrapes):
        config = write_config(
            made.configs, scrapes, run_id=made.id, interval=size.interval, version=Version.of("prometheus")
        )
        listen = f"{LOOPBACK}:{free_port()}"
        argv = server.live_command("prometheus", config, ended.data, listen, files.config)
        with (root / "prometheus.log").open("wb") as log:
            child = subprocess.Popen(argv, stdout=log, stderr=log, cwd="/")
        client = Client(f"http://{listen}", files.credentials.user, files.password_file, timeout=60)
        copying = living.Copying(living.Shipment(ended.data, ended.copy), every(size.interval))
        try:
            while not client.ready():
                assert child.poll() is None, (root / "prometheus.log").read_text()
                time.sleep(0.05)
            cost = living.measure(size, (child.pid, exporters), client, files, copying)
            _show_cost(size, cost)
            snapshot = ending.living(client, ended.data, made)
            _row("snapshot, s", snapshot)
            _row("resident after it, MiB", memory(child.pid).resident / 2**20)
            child.kill()
            killed = time.time()
        finally:
            copying.stop()
            stop(child, 10.0)
    phase = PhaseSpan(
        name="steady", measured=True, started=datetime.fromtimestamp(cost.begun, UTC),
        ended=datetime.fromtimestamp(cost.ended, UTC), rate=1.0, arrival="constant",
    )  # fmt: skip
    place.describe(journal, scrapes, phase)
    _row("report, s", ending.report(made, ended.scratch))
    for way in ending.WAYS:
        took, newest = ending.killed(way, ended, root / "ways")
        _row(f"blocks after kill -9, by the {way}, s", took)
        _row("lost by that, s", killed - newest)
    return [
        Goal(f"{size}: scrapes done", 1.0, "of those due", Spread.of([cost.done]), least=True),
        Goal(f"{size}: snapshot", KILL_WAIT, "s", Spread.of([snapshot])),
    ]


def _row(what: str, value: float) -> None:
    """Print a figure of the end as soon as it is there: the next may take minutes."""
    print(f"  {what:<38}{value:8,.1f}", flush=True)


def _show_cost(size: Size, cost: living.Cost) -> None:
    others = cost.machine - cost.cores - cost.exporters
    rows = [
        ("samples a second, asked", f"{size.rate:,.0f}"),
        ("Prometheus, cores", f"{cost.cores:.2f}"),
        ("the exporters, cores", f"{cost.exporters:.2f}"),
        ("all else on the machine, cores", f"{others:.2f}"),
        ("Prometheus, resident MiB, most", f"{cost.resident / 2**20:,.0f}"),
        ("series in its head", f"{cost.series:,}"),
        ("scrapes due", f"{cost.due:,}"),
        ("never done", f"{cost.lost:,}"),
        ("failed", f"{cost.down:,}"),
        ("a scrape, ms, p99", f"{cost.scrape[0] * 1000:.0f}"),
        ("a scrape, ms, longest", f"{cost.scrape[1] * 1000:.0f}"),
        ("rules, s an evaluation", f"{cost.rules:.2f}"),
        ("evaluations left out, of all groups", f"{cost.missed}"),
        ("write-ahead log, MB a second", f"{cost.wal / 1e6:.2f}"),
        ("continuous copy, cores", f"{cost.copy:.3f}"),
        ("continuous copy, s behind at most", f"{cost.lag:.1f}"),
    ]
    show(f"{size}, measured for {size.seconds:g} s, then ended", ("", ""), rows)


def _programs() -> list[str]:
    return [f"Prometheus {Version.of('prometheus')}"]


if __name__ == "__main__":
    sized = {name: partial(run, size) for name, size in SIZES.items()}
    command.main("scale", sized, _programs, ("20 s a size", f"{_SECONDS:g} s"))
