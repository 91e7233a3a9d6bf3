"""A copy of a living Prometheus's data that is never far behind: what a run is rebuilt from when its node is gone.

A WAL segment only grows, so that each round copies what was added to the newest one; a block and a checkpoint never
change once they have their name, so that each is copied once, whole. chunks_head is left out: it holds nothing that the
WAL has not, and a torn one helps nobody. A torn end of the WAL is what Prometheus's replay repairs.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runs.atomic import sync_directory

_BLOCK_FILES = ("meta.json", "index", "chunks")
_PART = 4 * 2**20
"""Bytes copied at once: what a round takes in memory."""


@dataclass(frozen=True)
class Shipment:
    """Copies from the data directory `source` (node-local) to `target` (seen by other nodes)."""

    source: Path
    target: Path

    def ship(self) -> int:
        """Bring the copy up to date; returns the bytes written.

        A reader of the copy finds all samples that Prometheus had logged when the round began. Raises OSError (the
        target's disk is full, say); the copy is then as good as after the round before.
        """
        seen = set(self._names())
        written = 0
        for name in self._blocks():
            written += self._whole(name)
        wal = self.source / "wal"
        (self.target / "wal").mkdir(parents=True, exist_ok=True)
        entries = sorted(wal.iterdir()) if wal.is_dir() else []
        for entry in entries:
            if entry.name.startswith("checkpoint.") and not entry.name.endswith(".tmp"):
                written += self._whole(f"wal/{entry.name}")
        for entry in entries:
            if entry.name.isdigit():
                written += self._grow(entry, self.target / "wal" / entry.name)
        # Last: what Prometheus has put in its place is here by now.
        for name in set(self._copied()) - seen - set(self._names()):
            _remove(self.target / name)
        return written

    def _blocks(self) -> Iterator[str]:
        for entry in sorted(self.source.iterdir()) if self.source.is_dir() else ():
            if all((entry / part).exists() for part in _BLOCK_FILES) and "." not in entry.name:
                yield entry.name

    def _names(self) -> Iterator[str]:
        yield from self._blocks()
        wal = self.source / "wal"
        for entry in wal.iterdir() if wal.is_dir() else ():
            yield f"wal/{entry.name}"

    def _copied(self) -> Iterator[str]:
        for entry in self.target.iterdir():
            if entry.name != "wal":
                yield entry.name
        for entry in (self.target / "wal").iterdir():
            yield f"wal/{entry.name}"

    def _whole(self, name: str) -> int:
        """Copy a directory that never changes, under a temporary name first."""
        place = self.target / name
        if place.exists():
            return 0
        temporary = place.with_name(f".{place.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            shutil.copytree(self.source / name, temporary)
        except (FileNotFoundError, shutil.Error):  # compacted away meanwhile: its successor comes with the next round
            if (self.source / name).exists():
                raise
            shutil.rmtree(temporary, ignore_errors=True)
            return 0
        size = 0
        for path in temporary.rglob("*"):
            if path.is_file():
                size += path.stat().st_size
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
        temporary.rename(place)
        sync_directory(place.parent)
        return size

    def _grow(self, segment: Path, copy: Path) -> int:
        """Append what the segment has and the copy has not."""
        with contextlib.suppress(FileNotFoundError):  # truncated away meanwhile
            known = copy.stat().st_size if copy.exists() else 0
            if segment.stat().st_size <= known and copy.exists():
                return 0
            with segment.open("rb") as source, copy.open("ab") as sink:
                source.seek(known)
                while part := source.read(_PART):
                    sink.write(part)
                sink.flush()
                # A node that dies takes what its page cache holds along.
                os.fsync(sink.fileno())
                return sink.tell() - known
        return 0


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
