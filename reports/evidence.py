"""What a verdict rests on: the requests of the measured window, and how well the run was watched meanwhile."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from prometheus.client import Series
from reports import requests
from reports.requests import Requests
from reports.window import Window
from runs.directory import RunDirectory
from runs.manifest import Manifest, PhaseSpan, Target
from runs.recipe import Recipe


class Source(Protocol):
    """What a report asks of a recording; `prometheus.client.Client` is one."""

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Evaluate an expression from `start` to `end` (UTC seconds) each `step` seconds."""

    def samples(self, selector: str, start: float, end: float) -> list[Series]:
        """Return raw samples of a selector."""

    def label_values(self, label: str, start: float, end: float) -> list[str]:
        """Return the values of a label; of `__name__`: the metric names."""


@dataclass(frozen=True)
class Coverage:
    """How a target was watched in the measured phases.

    `gap` is the longest time without a good scrape inside a phase, in seconds; it ended at `gap_at` (UTC seconds).
    """

    target: Target
    up: int
    expected: int
    gap: float
    gap_at: float | None = None

    @property
    def share(self) -> float:
        """Good scrapes of expected ones, at most 1."""
        return min(1.0, self.up / self.expected) if self.expected else 0.0


@dataclass(frozen=True)
class Evidence:
    """All that the rules look at. `load_result` is what the load says of itself; `troubles` what could not be read."""

    manifest: Manifest
    recipe: Recipe
    requests: Requests
    coverage: tuple[Coverage, ...] = ()
    load_result: Mapping[str, Any] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()

    @cached_property
    def measured(self) -> Window:
        """The measured phases together."""
        return self.window([phase for phase in self.manifest.phases if phase.measured])

    def window(self, phases: Sequence[PhaseSpan]) -> Window:
        """Return some phases."""
        names = {phase.name for phase in phases}
        return Window(tuple(phases), self.requests.select(self.requests.phase.among(names)), self.requests)

    def load_phase(self, name: str) -> Mapping[str, Any]:
        """Return what the load says of itself in a phase."""
        phases = self.load_result.get("phases")
        for span in phases if isinstance(phases, list) else ():
            if isinstance(span, dict) and span.get("name") == name:
                return span
        return {}


def gather(run: RunDirectory, source: Source | None) -> Evidence:
    """Collect the evidence of a run; `source` is None where no series were saved.

    Broken records or results are evidence too, and no error. Raises ManifestError, PrometheusError.
    """
    manifest = _as_it_went(Manifest.load(run.manifest))
    recipe = Recipe.model_validate(manifest.recipe)
    troubles: list[str] = []
    try:
        found = requests.read(run.records)
    except (OSError, KeyError, pa.ArrowException) as error:
        troubles.append(f"the records cannot be read: {error}")
        found = requests.read(run.load / "none")
    measured = [phase for phase in manifest.phases if phase.measured]
    covered = tuple(coverage(target, measured, recipe.watch.interval, source) for target in manifest.targets)
    result = _load_result(run.load / "result.json", troubles)
    return Evidence(manifest, recipe, found, covered, result, tuple(troubles))


def _as_it_went(manifest: Manifest) -> Manifest:
    """Cut phases at the end of the run: a load that was killed could only write down when they were to end."""
    ended = manifest.ended
    if ended is None:
        return manifest
    phases = [phase for phase in manifest.phases if phase.started < ended]
    cut = [phase.model_copy(update={"ended": min(phase.ended, ended)}) for phase in phases]
    return manifest.model_copy(update={"phases": cut})


def _load_result(path: Path, troubles: list[str]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        troubles.append(f"the load's own result cannot be read: {error}")
        return {}
    return value if isinstance(value, dict) else {}


def coverage(target: Target, phases: Sequence[PhaseSpan], interval: float, source: Source | None) -> Coverage:
    """Count a target's good scrapes phase by phase; the time between two phases is nobody's gap.

    A gap lies between two good scrapes, or between one and an edge of the phase.
    """
    up, expected = 0, 0
    gap, gap_at = 0.0, None
    for phase in phases:
        start, end = phase.started.timestamp(), phase.ended.timestamp()
        if end <= start:
            continue
        expected += max(1, int((end - start) / interval))
        good = [moment for moment in _good_scrapes(target, start, end, source) if start <= moment < end]
        up += len(good)
        for before, after in pairwise([start, *good, end]):
            if after - before > gap:
                gap, gap_at = after - before, after
    return Coverage(target, up, expected, gap, gap_at)


def _good_scrapes(target: Target, start: float, end: float, source: Source | None) -> list[float]:
    if source is None:
        return []
    selector = f'up{{job="{_quoted(target.job)}",instance="{_quoted(target.instance)}"}}'
    found = [series.times[series.values == 1.0] for series in source.samples(selector, start, end)]
    return [float(moment) for moment in np.unique(np.concatenate(found))] if found else []


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
