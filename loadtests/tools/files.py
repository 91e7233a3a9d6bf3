"""`files`: reads and writes in file systems by fio: local, shared and tmpfs compared, each phase once on each.

fio keeps no requests: its histograms of completion latency become figures of each phase, target and operation, and
series while it runs. Needs no service; one of kind `files` names the places.
"""

import asyncio
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.fio import job, places
from loadtests.fio.job import Options, Pattern
from loadtests.fio.places import Place
from loadtests.fio.series import FilesSeries
from loadtests.importers import base
from loadtests.importers.fio import UNCORRECTED, aggregate, documents
from loadtests.outcome import SetupError
from loadtests.plan import LoadPlan, Target
from loadtests.tools.base import ToolError, ToolKind
from loadtests.tools.child import Child, tail
from loadtests.tools.stage import Stage
from runs import atomic
from runs.recipe import Load, Phase

_EACH = 0.5
_MORE = 60.0
"""Seconds beyond a phase that fio may take: what is in the page cache goes to the disk at its end."""
_NAME = re.compile(r"^fio-(\d[\w.-]*)")
_MEND = "on Debian `apt-get install fio`"


def _legs(options: Options) -> list[tuple[str, Pattern]]:
    """Return what each phase is run on, in their order: target and pattern."""
    return [(target, pattern) for pattern, target in itertools.product(options.patterns, options.places)]


def phases(load: Load, options: Options) -> tuple[Phase, ...]:
    """Return each phase once for each target and pattern, NAME-TARGET-PATTERN, one after another."""

    def named() -> Iterator[Phase]:
        for phase in load.stages:
            for target, pattern in _legs(options):
                several = ((len(options.places) > 1, target), (len(options.patterns) > 1, pattern))
                name = "-".join([phase.name, *(word for many, word in several if many)])
                yield phase.model_copy(update={"name": name, "measured": phase.in_window})

    return tuple(named())


@dataclass
class _Counted:
    """What fio's documents said so far of one phase."""

    ok: int = 0
    failed: int = 0


class Files:
    """Runs one fio a phase."""

    def __init__(self, plan: LoadPlan, options: Options) -> None:
        self._plan = plan
        self._options = options
        self._legs = _legs(options)
        self._places: dict[str, Place] = {}
        self._series = FilesSeries()
        self._registered = False
        self._binary = ""
        self._child: Child | None = None

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.tools.base.Tool`. Lays all files out, so that no phase waits for that."""
        options = self._options
        for phase in self._plan.load.phases:
            if phase.ramp or phase.trace or phase.until or phase.requests or phase.think or phase.arrival == "gamma":
                raise SetupError(f"phase {phase.name}: fio knows `rate` (constant or poisson) and `users`, no more")
        self._binary, version = await asyncio.to_thread(_fio)
        most = max(job.users(phase) for phase in self._plan.load.phases)
        folder = f"dashcam-fio-{self._plan.run_id}"
        for name, word in options.places.items():
            parent = places.resolve(word, self._plan.output.parent)
            needed = most * job.in_bytes(options.size)
            place = await asyncio.to_thread(places.make, name, parent, folder, needed)
            self._places[name] = place
            if options.direct == "on" and not place.direct:
                raise SetupError(f"target {name}: {place.filesystem} in {parent} refuses O_DIRECT: use direct: auto")
        await self._lay_out(most)
        facts = {
            name: {"path": options.places[name], "filesystem": place.filesystem, "direct": job.direct(options, place)}
            for name, place in self._places.items()
        }
        return {"fio": version, "places": facts, "latency": UNCORRECTED}

    async def _lay_out(self, most: int) -> None:
        self._folder.mkdir(exist_ok=True)
        for name, place in self._places.items():
            widest = next(phase for phase in self._plan.load.phases if job.users(phase) == most)
            text = job.job_file(self._options, widest, place, "randread", seed=self._plan.load.seed, create=True)
            atomic.write(self._folder / f"{name}.layout.fio", text)
            child = await self._start(self._folder / f"{name}.layout.fio", self._folder / name)
            self._child = child
            if code := await child.wait(asyncio.Event(), hurry=1.0):
                raise SetupError(
                    f"fio could not lay out its files in target {name} (exit code {code}): {self._why(name)}"
                )
            for left in (f"{name}.out", f"{name}.err"):
                (self._folder / left).unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self._plan.output / "files"

    def _why(self, name: str) -> str:
        return tail(self._folder / f"{name}.err") or tail(self._folder / f"{name}.out")

    async def _start(self, file: Path, out: Path, *more: str) -> Child:
        line = (self._binary, "--output-format=json+", *more, str(file))
        try:
            return await Child.start(line, env=os.environ, out=out)
        except OSError as error:
            raise ToolError(f"fio cannot be started: {error}; {_MEND}") from error

    async def run(self, stage: Stage) -> None:
        """See `loadtests.tools.base.Tool`."""
        if not self._registered:
            stage.account.metrics.registry.register(self._series)
            self._registered = True
        target, pattern = self._legs[stage.index % len(self._legs)]
        place, name = self._places[target], stage.phase.name
        if self._options.direct != "off" and not place.direct and not place.memory:
            stage.warn(f"target {target}: {place.filesystem} refuses O_DIRECT, so the page cache answers too")
        file = self._folder / f"{name}.fio"
        atomic.write(file, job.job_file(self._options, stage.phase, place, pattern, seed=self._plan.load.seed))
        stage.client = False  # the kernel works in fio's name: its CPU time is that of the file system
        stage.begin()
        self._child = child = await self._start(file, self._folder / name, "--status-interval=1")
        over, counted = asyncio.Event(), _Counted()
        reading = asyncio.create_task(self._follow(stage, target, counted, over))
        try:
            code = await child.wait(stage.asked, hurry=stage.hurry, within=stage.phase.duration + _MORE)
        finally:
            over.set()
            last = await reading
        if child.cut == "asked":
            stage.end()
        self._conclude(stage, target, last)
        if code != 0 and child.cut != "asked":
            raise ToolError(f"fio ended phase {name} with exit code {code}: {self._why(name)}")

    async def _follow(self, stage: Stage, target: str, counted: _Counted, over: asyncio.Event) -> Any:
        """Read fio's documents as they come; returns the last one."""
        out, text, last = self._folder / f"{stage.phase.name}.out", "", None
        position = 0
        while True:
            ended = over.is_set()
            part = await asyncio.to_thread(_from, out, position)
            position += len(part)
            text += part.decode(errors="replace")
            for last in documents(text):
                self._count(stage, target, counted, last)
            if last is not None:
                text = text[text.rfind("\n}") + 2 :]
            if ended:
                return last
            try:
                await asyncio.wait_for(over.wait(), _EACH)
            except TimeoutError:
                continue

    def _count(self, stage: Stage, target: str, counted: _Counted, document: Any) -> None:
        """Count what is new in a document, and show it as series."""
        try:
            figures = list(aggregate(document))
            found = document["jobs"][0]
        except (base.Unfit, KeyError, IndexError, TypeError):
            return
        ok, failed = sum(each.count for each in figures), sum(each.failed for each in figures[:1])
        stage.count(max(0, ok - counted.ok), max(0, failed - counted.failed))
        counted.ok, counted.failed = max(ok, counted.ok), max(failed, counted.failed)
        for each in figures:
            self._series.update((stage.phase.name, target, each.operation), found[each.operation])

    def _conclude(self, stage: Stage, target: str, last: Any) -> None:
        """Keep the figures of the last document, and that alone as a file."""
        name, place = stage.phase.name, self._places[target]
        try:
            figures = list(aggregate(last))
        except base.Unfit as error:
            raise ToolError(f"fio left no figures of phase {name} ({error}): {self._why(name)}") from error
        facts = {
            "filesystem": place.filesystem, "direct": job.direct(self._options, place),
            "block_size": self._options.block_size, "iodepth": self._options.iodepth, "jobs": job.users(stage.phase),
        }  # fmt: skip
        for each in figures:
            stage.aggregate(each.model_copy(update={"target": target, "facts": facts}))
        atomic.write(self._folder / f"{name}.json", json.dumps(last) + "\n")
        (self._folder / f"{name}.out").unlink(missing_ok=True)

    async def close(self) -> None:
        """See `loadtests.tools.base.Tool`. Removes the directories that the set-up made, and nothing else."""
        if self._child is not None:
            self._child.kill()
        for place in self._places.values():
            await asyncio.to_thread(shutil.rmtree, place.path, ignore_errors=True)


def _from(path: Path, position: int) -> bytes:
    """Return what a file holds from a position on."""
    try:
        with path.open("rb") as stream:
            stream.seek(position)
            return stream.read()
    except FileNotFoundError:
        return b""


def _fio() -> tuple[str, str]:
    """Return fio's path and version. Raises SetupError."""
    found = shutil.which("fio")
    if found is None:
        raise SetupError(f"there is no fio here: {_MEND}")
    try:
        done = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"fio cannot be asked for its version ({error}): {_MEND}") from error
    match = _NAME.match(done.stdout.strip())
    if match is None:
        raise SetupError(f"`fio --version` says {done.stdout.strip()[:80]!r}, which is no version of fio: {_MEND}")
    return found, match[1]


def _told(target: Target) -> dict[str, Any]:
    """Return the places that a service of kind `files` names."""
    return {"places": places.named(target.url)} if target.protocol == places.PROTOCOL else {}


TOOL = ToolKind(name="files", Options=Options, create=Files, alone=True, phases=phases, told=_told)
