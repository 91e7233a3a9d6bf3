"""What becomes of the series when they are scraped no more: the ways to blocks, and the report; each timed."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus import snapshot
from prometheus.client import Client
from reports import build
from runs.directory import RunDirectory


@dataclass(frozen=True)
class Ended:
    """What is left of a run: its data directory on the node, the continuous copy, and a place for scratch files."""

    data: Path
    copy: Path
    scratch: Path


def living(client: Client, data: Path, run: RunDirectory) -> float:
    """Snapshot a Prometheus that lives; returns seconds."""
    begin = time.monotonic()
    snapshot.take(client, data, run)
    return time.monotonic() - begin


WAYS: Mapping[str, Callable[[Ended, RunDirectory], object]] = {
    "copy": lambda ended, run: snapshot.collect_dead(ended.copy, run, ended.scratch),
}
"""Ways to blocks after `kill -9`, by name: another is an entry more."""


def killed(way: str, ended: Ended, root: Path) -> tuple[float, float]:
    """Make blocks of what a killed Prometheus left; returns seconds, and the UTC time of the newest sample."""
    run = RunDirectory(root / way)
    run.tsdb.mkdir(parents=True)
    begin = time.monotonic()
    WAYS[way](ended, run)
    took = time.monotonic() - begin
    newest = max(block.end for block in snapshot.blocks(run.tsdb))
    shutil.rmtree(run.path)
    return took, newest


def report(run: RunDirectory, scratch: Path) -> float:
    """Judge and render; returns seconds."""
    begin = time.monotonic()
    build.build(run, scratch)
    return time.monotonic() - begin
