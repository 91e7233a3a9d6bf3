"""From a Prometheus, alive or dead, to plain blocks in the run directory."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from prometheus import replay
from prometheus.client import Client, PrometheusError
from runs import atomic
from runs.directory import RunDirectory


@dataclass(frozen=True)
class Block:
    """A TSDB block as its meta.json tells. Times in UTC seconds."""

    ulid: str
    start: float
    end: float
    samples: int
    series: int


def take(client: Client, data: Path, run: RunDirectory) -> list[Block]:
    """Snapshot a living Prometheus with data directory `data` into `run.tsdb`.

    No block is no error: an empty head gives an empty snapshot. What an attempt before, cut short, has left there is
    replaced. Raises PrometheusError, OSError.
    """
    snapshot = data / "snapshots" / client.snapshot()
    try:
        taken = sorted(snapshot.iterdir())
        for block in taken:
            _move(block, run.tsdb)
        names = {block.name for block in taken}
        for old in run.tsdb.iterdir() if taken else ():
            if old.name not in names:
                shutil.rmtree(old)
    finally:
        shutil.rmtree(snapshot, ignore_errors=True)
    return blocks(run.tsdb)


def collect_dead(data: Path, run: RunDirectory, scratch: Path) -> list[Block]:
    """Make blocks of what a dead Prometheus left in `data`: its WAL is replayed by another. Raises as `take`."""
    with replay.open_data(data, scratch) as opened:
        return take(opened.client, opened.data, run)


def blocks(directory: Path) -> list[Block]:
    """Return the blocks of a recording, oldest first. Raises PrometheusError for one that is not whole."""
    found = []
    for path in directory.iterdir() if directory.is_dir() else ():
        if path.is_dir():
            _check(path)
            meta = json.loads((path / "meta.json").read_bytes())
            stats = meta.get("stats", {})
            found.append(
                Block(
                    ulid=meta["ulid"],
                    start=meta["minTime"] / 1000,
                    end=meta["maxTime"] / 1000,
                    samples=stats.get("numSamples", 0),
                    series=stats.get("numSeries", 0),
                )
            )
    return sorted(found, key=lambda block: block.start)


def _check(block: Path) -> None:
    missing = [part for part in ("meta.json", "index", "chunks") if not (block / part).exists()]
    if missing:
        raise PrometheusError(f"{block} is no whole block: {', '.join(missing)} missing")


def _move(block: Path, target: Path) -> None:
    """Copy a block under a temporary name, make it durable, then give it its name."""
    _check(block)
    temporary = target / f".{block.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        shutil.copytree(block, temporary)
    except shutil.Error as error:  # its text tells of each file
        shutil.rmtree(temporary, ignore_errors=True)
        why = str(error.args[0][0][2]).partition(":")[0]
        raise OSError(f"block {block.name} cannot be copied to {target}: {why}") from error
    for path in temporary.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    shutil.rmtree(target / block.name, ignore_errors=True)
    temporary.rename(target / block.name)
    atomic.sync_directory(target)
