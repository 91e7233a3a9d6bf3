"""`files`: no program, but directories by name, for the generator `files` (fio) to compare: file systems as a target.

A service of this kind knows what the generator does not: the disk that the run found on its nodes, and the scratch that
the site's profile names.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from jobs.services.about import About
from jobs.services.base import Context, PlanError, ServicePlan
from loadtests.fio import places
from loadtests.plan import Target
from runs.paths import InRecipe
from runs.recipe import Name, Strict

_WORDS = ("local", "shared", "run", "home", "tmpfs")


class Options(Strict):
    """Keys of a `files` service."""

    places: dict[Name, Annotated[str, InRecipe(frozenset(_WORDS))]] = Field(
        default_factory=lambda: {"local": "local", "shared": "shared", "home": "home", "tmpfs": "tmpfs"},
        min_length=1,
        description="what is compared: a name and local (the node's own disk), shared (the site's scratch, else the "
        "run's directory), run (the run's directory), home, tmpfs (memory), or a directory",
    )


class Files:
    """See the module."""

    kind = "files"
    Options: type[BaseModel] = Options
    about = About(
        title="file systems: node-local disk, shared scratch, home and memory, for fio to compare",
        load="""\
load:
  generator: files                  # fio: on Debian apt-get install fio
  patterns: [randrw]                # fio's rw; each phase runs once in each place
  read_percent: 70
  block_size: 4k
  size: 64m                         # of each user's file in each place
  direct: auto                      # past the page cache where the file system lets us
  seed: 7
  phases:
    - {name: steady, for: 8s, users: 2}                     # closed: each user keeps `iodepth` operations open
    - {name: paced, for: 8s, rate: 500}                     # open: fio paces 500 operations a second, Poisson
objectives: {error_rate: 1%}
""",
        ports="none",
        guard="directories of mode 0700, removed at the end",
        metrics="fio's own figures, as series of the load; the client's file system by the exporters node and lustre",
        program="none; the load needs `fio`",
        starts="nothing starts; files are laid out before the load",
        exporters=("node", "cgroup", "process", "lustre"),
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        known = _known(context)
        found = {name: str(known.get(word, word)) for name, word in options.places.items()}
        wrong = [f"{name}: {why}" for name, path in found.items() if (why := _why_not(path))]
        if wrong:
            raise PlanError(f"service {context.name}: {'; '.join(wrong)}: name another directory, or leave it out")
        kinds = tuple(
            (f"{context.name} ({name})", "the run's directory" if path == "run" else places.filesystem(Path(path)))
            for name, path in found.items()
        )
        target = Target(protocol=places.PROTOCOL, url=places.url(found))
        return ServicePlan((), target, versions=kinds, notes=tuple(_notes(context, options.places, found)))


def _known(context: Context) -> Mapping[str, str | Path]:
    return {
        "local": context.scratch.parent.parent,  # where the run has its scratch
        "shared": context.shared or "run",
        "home": Path.home(),
        "tmpfs": "/dev/shm",  # noqa: S108 - what it is for
    }


def _why_not(path: str) -> str | None:
    """Say why files cannot be written there, as far as this node knows; None: they can."""
    if path == "run":
        return None
    if not Path(path).is_dir():
        return f"{path} is no directory here"
    return None if os.access(path, os.W_OK | os.X_OK) else f"{path} cannot be written"


def _notes(context: Context, words: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    notes = []
    if context.shared is None and "shared" in words.values():
        notes.append(f"{context.name}: the site's profile names no scratch, so `shared` is the run's own directory")
    devices: dict[int, list[str]] = {}
    for name, path in found.items():
        devices.setdefault(Path(context.live if path == "run" else path).stat().st_dev, []).append(name)
    notes += [
        f"{context.name}: {' and '.join(names)} are one file system on this node: comparing them says nothing of it"
        for names in devices.values()
        if len(names) > 1
    ]
    return notes


SERVICE = Files()
