"""What a program in an image sees of its run: what its command line, its variables and its settings name, no more.

The run directory holds the secrets of all parts while it lives, and the scratch directory everybody's data.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from apptainer.runtime import Bind
from jobs.program import Program
from runs.directory import RunDirectory

_READ = 1 << 20
"""Bytes: settings are smaller; what is larger is read for no paths."""
_SHOWN = "shown"
BOXES = "box"
"""Directory of the scratch directory that holds what each program has of its own."""


@dataclass(frozen=True)
class Exposure:
    """Directories of the run that a program sees, and those that must be made on the node before its start."""

    binds: tuple[Bind, ...]
    directories: tuple[str, ...]


def of(run: RunDirectory, scratch: Path, program: Program, shared: Iterable[Bind] = ()) -> Exposure:
    """Choose what a program sees; files of `live` become links in a directory of its own, seen under `live` inside.

    `shared` are binds that every program has: a run below one of them is laid over it, read-only.
    Raises OSError where the links cannot be made.
    """
    words = [*program.argv, *program.env.values(), *program.reads, *(part for each in program.prepare for part in each)]
    named = set(_named(words, run, scratch))
    own = run.live / _SHOWN / program.name
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in sorted(named):
        if path.is_relative_to(run.live) and path.exists():
            _link(path, own / path.relative_to(run.live))
    parts = sorted({path.relative_to(run.path).parts[0] for path in named if path.is_relative_to(run.path)})
    below = any(run.path.is_relative_to(bind.inside) for bind in shared)
    seen = [run.path] if below else [run.path / part for part in parts if part != run.live.name]
    mine = sorted(
        {program.name, *(p.relative_to(scratch).parts[0] for p in named if p.is_relative_to(scratch))} - {BOXES}
    )
    places = [str(scratch / part) for part in mine if not (scratch / part).is_file()]
    return Exposure(
        binds=(
            *(Bind(place) for place in places),
            *(Bind(str(path), readonly=True) for path in seen),
            Bind(str(own), str(run.live), readonly=True),
        ),
        directories=tuple(places),
    )


def _named(words: Iterable[str], run: RunDirectory, scratch: Path) -> Iterator[Path]:
    """Yield paths of the run in words, and in the files that these paths lead to; never one that holds all secrets."""
    roots = (run.path, scratch)
    pattern = re.compile("|".join(rf"{re.escape(str(root))}(?:/[\w.@%+=-]+)+" for root in roots))
    waiting, known = list(words), set[str]()
    while waiting:
        for found in pattern.findall(waiting.pop()):
            if found in known:
                continue
            known.add(found)
            path = Path(os.path.normpath(found))
            above = path in {*roots, run.live} or not any(path.is_relative_to(root) for root in roots)
            if above or path.is_relative_to(run.live / _SHOWN):
                continue
            yield path
            waiting.extend(_texts(path))


def _texts(path: Path) -> Iterator[str]:
    files = [path] if path.is_file() else (each for each in path.rglob("*") if each.is_file())
    for file in files:
        if file.stat().st_size <= _READ:
            yield file.read_text(encoding="utf-8", errors="replace")


def _link(path: Path, place: Path) -> None:
    """Have a file, or the files of a directory, at another place; as a copy where the file system has no links."""
    for file in (each for each in ([path] if path.is_file() else path.rglob("*")) if each.is_file()):
        target = place if file == path else place / file.relative_to(path)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(file, target)
        except OSError:
            shutil.copy2(file, target)
