"""`command`: any program as the load, once a phase; what it measured comes in by an importer.

Without `import` the program itself is what is measured: one operation a phase, as long as it took.
"""

import asyncio
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from loadtests import importers
from loadtests.aggregate import Aggregate
from loadtests.importers.base import Imported, ImporterError, Row
from loadtests.outcome import SetupError
from loadtests.plan import LoadPlan
from loadtests.tools.base import ToolError, ToolKind
from loadtests.tools.child import Child, tail
from loadtests.tools.stage import Stage
from runs import paths
from runs.recipe import Strict

PLACES = ("url", "host", "port", "model", "secret_file", "output", "phase", "seconds", "rate", "users", "seed")
_CHUNK = 2000
_SLACK = 2 * 10**9
"""Nanoseconds by which an imported time may lie outside of the program's own."""


class Import(Strict):
    """Where a program's results are, and whose format they have."""

    kind: str = Field(description="aiperf, fio, guidellm, ior, k6, vllm-bench, warp")
    file: str = Field(description="path or pattern of one file; places are filled in, {output} is where it runs")

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in importers.registry():
            raise ValueError(f"{value!r} is no importer: there are {', '.join(sorted(importers.registry()))}")
        return value

    @field_validator("file")
    @classmethod
    def _places(cls, value: str) -> str:
        return _checked(value)


class Options(Strict):
    """Keys of a `command` load. PLACES in braces are filled in; no shell is involved."""

    command: tuple[str, ...] = Field(min_length=1, description="the command line, as a list or as one string")
    imports: Import | None = Field(None, alias="import", description="how its results are read")
    env: dict[str, str] = Field(default_factory=dict, description="environment variables (never for secrets)")
    exit_codes: tuple[int, ...] = Field((0,), min_length=1, description="those of a good end")
    within: float = Field(
        1.0, ge=1, description="how many times the phase's `for` the program may take before it is told to end"
    )

    @field_validator("command", mode="before")
    @classmethod
    def _words(cls, value: Any, info: ValidationInfo) -> Any:
        return paths.program(value, info)

    @field_validator("command")
    @classmethod
    def _places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked(word) for word in value)


def _checked(text: str) -> str:
    for _, place, _, _ in Formatter().parse(text):
        if place is not None and place not in PLACES:
            names = ", ".join(f"{{{name}}}" for name in PLACES)
            raise ValueError(f"{{{place}}} is unknown: {names} are filled in, and {{{{ }}}} gives braces")
    return text


class Command:
    """Runs one program a phase."""

    def __init__(self, plan: LoadPlan, options: Options) -> None:
        self._plan = plan
        self._options = options
        self._child: Child | None = None

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.tools.base.Tool`."""
        first = self._options.command[0]
        if "{" not in first and shutil.which(first) is None:
            raise SetupError(f"no program {first!r} on PATH: install it or give its full path")
        return {"command": list(self._options.command)}

    async def run(self, stage: Stage) -> None:
        """See `loadtests.tools.base.Tool`."""
        options, name = self._options, stage.phase.name
        output = stage.place / name
        output.mkdir()
        places = self._filled(stage, output)
        line = [word.format(**places) for word in options.command]
        environment = {**os.environ, **options.env}
        started = time.time_ns()
        stage.begin(started)
        try:
            child = self._child = await Child.start(line, env=environment, out=stage.place / name, cwd=output)
        except OSError as error:
            raise ToolError(f"{line[0]} cannot be started: {error.strerror or error}") from error
        code = await child.wait(stage.asked, hurry=stage.hurry, within=options.within * stage.phase.duration)
        ended = time.time_ns()
        stage.end(ended)
        good = code in options.exit_codes
        if child.cut == "late":
            stage.warn(f"phase {name}: {Path(line[0]).name} went on beyond the phase and was told to end")
        elif not good and child.cut != "asked":
            last = tail(stage.place / f"{name}.err") or tail(stage.place / f"{name}.out")
            await self._import(stage, places, started, ended, lenient=True)
            raise ToolError(f"{Path(line[0]).name} ended phase {name} with exit code {code}: {last}")
        if options.imports is None:
            stage.client = False
            _alone(stage, Path(line[0]).name, started, ended, good=good)
        else:
            await self._import(stage, places, started, ended, lenient=bool(child.cut))

    def _filled(self, stage: Stage, output: Path) -> dict[str, object]:
        """Return what stands for each of PLACES; empty where there is nothing."""
        target, phase = self._plan.target, stage.phase
        url = target.url if target else ""
        parts = urlsplit(url)
        return {
            "url": url, "host": parts.hostname or "", "port": parts.port or "",
            "model": (target.model if target else None) or "",
            "secret_file": (target.secret_file if target else None) or "",
            "output": output, "phase": phase.name, "seconds": f"{phase.duration:g}",
            "rate": "" if phase.rate is None else f"{phase.rate:g}",
            "users": "" if phase.users is None else phase.users, "seed": self._plan.load.seed,
        }  # fmt: skip

    async def _import(
        self, stage: Stage, places: dict[str, object], started: int, ended: int, *, lenient: bool
    ) -> None:
        """Take over what the program measured. Raises ToolError; where it was cut short nothing need be there."""
        wanted = self._options.imports
        if wanted is None:
            return
        try:
            path = _one(wanted.file.format(**places), Path(str(places["output"])))
            imported = await asyncio.to_thread(importers.read, wanted.kind, path)
            await _take(stage, imported, started, ended)
        except ImporterError as error:
            if not lenient:
                raise ToolError(str(error)) from error
            stage.warn(f"phase {stage.phase.name}: {error}")

    async def close(self) -> None:
        """See `loadtests.tools.base.Tool`."""
        if self._child is not None:
            self._child.kill()


def _alone(stage: Stage, name: str, started: int, ended: int, *, good: bool) -> None:
    seconds = max(1e-9, (ended - started) / 1e9)
    stage.count(int(good), int(not good))
    figures = {"mean": seconds, "least": seconds, "most": seconds} if good else {}
    stage.aggregate(
        Aggregate(operation=name, time="run time", count=int(good), failed=int(not good), seconds=seconds, **figures)
    )


def _one(pattern: str, directory: Path) -> Path:
    """Return the one file that a pattern means. Raises ImporterError."""
    path = directory / pattern
    if path.is_file():
        return path
    found = sorted(path.parent.glob(path.name)) if path.parent.is_dir() else []
    if len(found) == 1:
        return found[0]
    there = ", ".join(each.name for each in found[:5]) or "nothing is there"
    raise ImporterError(
        path, f"names {len(found)} files ({there})", "let `import.file` name one that the program writes"
    )


async def _take(stage: Stage, imported: Imported, started: int, ended: int) -> None:
    """Record what an importer gives, and set the phase to the time in which its requests were."""
    rows: Iterator[Row] = iter(imported.rows)
    begun, over, outside = None, None, 0
    while chunk := await asyncio.to_thread(lambda: list(itertools.islice(rows, _CHUNK))):
        for row in chunk:
            stage.add(row)
            intended = row.sent if row.intended is None else row.intended
            begun = intended if begun is None else min(begun, intended)
            over = row.done if over is None else max(over, row.done)
            outside += not started - _SLACK <= row.sent <= ended + _SLACK
    if begun is not None and over is not None:
        stage.begin(begun)
        stage.end(over + 1000)
    if outside:
        stage.warn(f"phase {stage.phase.name}: {outside} imported requests lie outside of the program's own time")
    for figures in imported.aggregates:
        stage.aggregate(figures)
        stage.count(figures.count, figures.failed)
    stage.drop(imported.dropped)
    for key, value in imported.notes.items():
        stage.note(f"{key}_{stage.phase.name}", value)


TOOL = ToolKind(name="command", Options=Options, create=Command, alone=True)
