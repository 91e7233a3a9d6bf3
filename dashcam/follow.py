"""The view of a run while it goes: a live display on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadtests import progress
from loadtests.progress import Progress
from runs.directory import RunDirectory
from runs.manifest import Manifest, ManifestError, now

PLAIN_EVERY = 5.0
"""Seconds between lines where the output is no terminal."""


def follow(run: RunDirectory, over: Callable[[], bool], *, quiet: bool = False) -> None:
    """Show a run until `over()` says that its supervisor is gone or it is sealed."""
    if quiet:
        while not over():
            time.sleep(0.1)
    elif sys.stderr.isatty():
        _live(run, over)
    else:
        _plain(run, over)


def _plain(run: RunDirectory, over: Callable[[], bool]) -> None:
    said, last = "", 0.0
    while not over():
        manifest, state = _look(run)
        line = _headline(manifest, state)
        key = f"{manifest.state if manifest else ''} {state.phase if state else ''}"
        if key != said or time.monotonic() - last > PLAIN_EVERY:
            print(line, file=sys.stderr, flush=True)
            said, last = key, time.monotonic()
        time.sleep(0.2)


def _live(run: RunDirectory, over: Callable[[], bool]) -> None:
    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
        while not over():
            manifest, state = _look(run)
            live.update(_screen(manifest, state))
            time.sleep(0.2)


def _look(run: RunDirectory) -> tuple[Manifest | None, Progress | None]:
    try:
        return Manifest.load(run.manifest), progress.read(run.load)
    except ManifestError:
        return None, None


def _headline(manifest: Manifest | None, state: Progress | None) -> str:
    if manifest is None:
        return "the run has not begun"
    if manifest.state != "running" or state is None:
        words = {"submitted": "waits in the queue", "starting": "starts its programs", "ending": "is wound up"}
        return f"{manifest.id} {words.get(manifest.state, manifest.state)}"
    return (
        f"{state.phase or state.state}: {state.done} done, {state.failed} failed, {state.in_flight} open, "
        f"{_rate(state.rate_done)}, p99 {_seconds(state.p99_latency)}, {_left(state)} left"
    )


def _screen(manifest: Manifest | None, state: Progress | None) -> Group:
    title = Text(manifest.id if manifest else "run", style="bold")
    if manifest is None or manifest.state != "running" or state is None or state.started is None:
        return Group(title, Text(_headline(manifest, state)))
    table = Table.grid(padding=(0, 3))
    for _ in range(6):
        table.add_column()
    table.add_row("phase", "asked", "done", "p50", "p99", "failed", style="dim")
    table.add_row(
        state.phase or state.state,
        _rate(state.rate_intended),
        _rate(state.rate_done),
        _seconds(state.p50_latency),
        _seconds(state.p99_latency),
        Text(f"{state.failed} of {state.done}", style="red" if state.failed else ""),
    )
    whole = max(0.001, ((state.ends_at or now()) - state.started).total_seconds())
    spent = min(whole, (now() - state.started).total_seconds())
    bar = Table.grid(padding=(0, 2))
    bar.add_row(ProgressBar(total=whole, completed=spent, width=50), f"{_left(state)} left")
    return Group(title, table, bar)


def _left(state: Progress) -> str:
    return "?" if state.ends_at is None else f"{max(0.0, _until(state.ends_at)):.0f} s"


def _until(moment: datetime) -> float:
    return (moment - now()).total_seconds()


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}/s"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"
