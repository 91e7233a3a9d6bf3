"""What a verdict rests on: the requests of the measured window, and how well the run was watched meanwhile."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from prometheus import rules, snapshot
from prometheus.client import PrometheusError
from reports import alerts, nodes, requests, servers, sources
from reports.alerts import Firing
from reports.nodes import Machine
from reports.presence import Span, presence
from reports.requests import Requests
from reports.scrapes import NEVER, Recorded, Scrapes
from reports.servers import Servers
from reports.sources import Source
from reports.window import Window
from runs.directory import RunDirectory
from runs.manifest import Manifest, PhaseSpan, Target
from runs.recipe import Recipe


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
    sources: tuple[Source, ...] = ()
    servers: Servers = field(default_factory=Servers)
    load_result: Mapping[str, Any] = field(default_factory=dict)
    machines: tuple[Machine, ...] = ()
    alerts: tuple[Firing, ...] | None = None
    """What fired; None where there were no rules, or nobody to apply them."""
    troubles: tuple[str, ...] = ()
    span: Span = (0.0, 1.0)
    """UTC seconds that hold all samples of the recording."""

    @property
    def spans(self) -> list[Span]:
        """The measured phases in UTC seconds."""
        return [(phase.started.timestamp(), phase.ended.timestamp()) for phase in self.measured.phases]

    @cached_property
    def measured(self) -> Window:
        """The measured phases together."""
        return self.window([phase for phase in self.manifest.phases if phase.measured])

    def window(self, phases: Sequence[PhaseSpan]) -> Window:
        """Return some phases."""
        names = {phase.name for phase in phases}
        return Window(tuple(phases), self.requests.select(self.requests.phase.among(names)), self.requests)

    @property
    def notes(self) -> Mapping[str, Any]:
        """What the load's generator said of itself and of its target."""
        notes = self.load_result.get("notes")
        return notes if isinstance(notes, dict) else {}

    def load_phase(self, name: str) -> Mapping[str, Any]:
        """Return what the load says of itself in a phase."""
        phases = self.load_result.get("phases")
        for span in phases if isinstance(phases, list) else ():
            if isinstance(span, dict) and span.get("name") == name:
                return span
        return {}


def gather(run: RunDirectory, recorded: Recorded | None) -> Evidence:
    """Collect the evidence of a run; `recorded` is None where no series were saved.

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
    interval = recipe.watch.interval
    measured = [
        (phase.started.timestamp(), phase.ended.timestamp())
        for phase in manifest.phases
        if phase.measured and phase.ended > phase.started
    ]
    span = _span(run, measured)
    fired = alerts.gather(run.configs / rules.FILE, recorded, span, interval)
    scrapes = Scrapes(recorded, span, tuple(measured) or (span,))
    return Evidence(
        manifest=manifest,
        recipe=recipe,
        requests=found,
        coverage=tuple(coverage(target, scrapes, measured, interval) for target in manifest.targets),
        servers=servers.gather(
            recorded, manifest.targets, span, begin=_begin(manifest, span), phases=measured, interval=interval
        ),
        sources=sources.gather(scrapes, manifest.targets, measured, interval),
        machines=nodes.gather(recorded, measured, _watchers(manifest)),
        alerts=None if fired is None else tuple(fired),
        load_result=_load_result(run.load / "result.json", troubles),
        troubles=tuple(troubles),
        span=span,
    )


def _watchers(manifest: Manifest) -> set[str]:
    """Return the programs that only watch."""
    return {process.name for process in manifest.processes if process.role not in {"service", "load"}}


def _begin(manifest: Manifest, span: Span) -> float:
    """Return when the load began: with its first phase, measured or not."""
    return min((phase.started.timestamp() for phase in manifest.phases), default=span[0])


def _span(run: RunDirectory, phases: Sequence[Span]) -> Span:
    """Return a span that holds all samples of the recording, and the phases."""
    ends = list(phases)
    with contextlib.suppress(PrometheusError):
        ends += [(block.start, block.end) for block in snapshot.blocks(run.tsdb)]
    return (min(start for start, _ in ends) - 1.0, max(end for _, end in ends) + 1.0) if ends else (0.0, 1.0)


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


def coverage(target: Target, scrapes: Scrapes, phases: Sequence[Span], interval: float) -> Coverage:
    """Count a target's good scrapes in the measured phases."""
    found = presence(scrapes.up.get((target.job, target.instance), NEVER), phases, interval)
    return Coverage(target, found.good, found.expected, found.longest, found.ended)
