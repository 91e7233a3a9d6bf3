"""From the run's record, the load's progress and what Prometheus said to the facts of a screen."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from dashcam.view.facts import Facts, Load, Numbers, Stretch, Targets
from dashcam.view.measures import Measures
from loadtests.progress import Progress
from runs.manifest import Manifest
from runs.recipe import Recipe

_STATES = {"submitted": "waits in the queue", "starting": "starts its programs", "ending": "is wound up"}
_LOAD_STATES = {"setup": "the load sets up", "ready": "waits for the first scrape of every target", "drain": "drains"}


def facts(
    manifest: Manifest,
    progress: Progress | None,
    measures: Measures | None,
    now: datetime,
    trouble: str = "",
) -> Facts:
    """Return what is known at `now`. `measures` is None where Prometheus does not answer: progress stands in."""
    running = manifest.state == "running" and progress is not None
    begun = progress if running else None
    load = _load(begun) if measures is None else _with_errors(measures.load(), begun)
    expected = len(manifest.targets)
    return Facts(
        id=manifest.id,
        state=_state(manifest, progress),
        running=running,
        spent=_between(begun.started, now) if begun and begun.started else None,
        whole=_between(begun.started, begun.ends_at) if begun and begun.started and begun.ends_at else None,
        phases=tuple(_phases(manifest, progress, now)),
        load=load,
        services=() if measures is None else measures.services(_services(manifest)),
        machines=() if measures is None else measures.machines(),
        file_systems=() if measures is None else measures.file_systems(),
        alerts=() if measures is None else measures.alerts(),
        targets=Targets(expected) if measures is None else measures.targets(expected),
        notes=tuple(manifest.notes),
        trouble=trouble,
        places=tuple(_places(manifest)),
    )


def at(found: Facts, history: Mapping[str, Numbers], place: str) -> Facts:
    """Return the facts with the load's lines, and one more place."""
    return replace(found, history=history, places=(place, *found.places) if place else found.places)


def _state(manifest: Manifest, progress: Progress | None) -> str:
    if manifest.state == "running" and progress is not None:
        return _LOAD_STATES.get(progress.state, progress.state)
    if manifest.state == "starting":
        ready = sum(process.ready is not None for process in manifest.processes)
        if progress is not None and progress.state in _LOAD_STATES:
            return _LOAD_STATES[progress.state]
        return f"starts its programs, {ready} of {len(manifest.processes)} ready" if manifest.processes else "starts"
    if manifest.state == "ending" and manifest.reason:
        return f"is wound up: {manifest.reason.splitlines()[0]}"
    return _STATES.get(manifest.state, manifest.state)


def _load(progress: Progress | None) -> Load:
    if progress is None:
        return Load()
    return Load(
        asked=progress.rate_intended,
        done=progress.rate_done,
        latency_p50=progress.p50_latency,
        latency_p99=progress.p99_latency,
        in_flight=progress.in_flight,
        ended=progress.done,
        failed=progress.failed,
        errors=tuple(progress.errors.items()),
    )


def _with_errors(load: Load, progress: Progress | None) -> Load:
    """Take the counts since the start from the load's own words: they are newer than a scrape, and never step back."""
    if progress is None or load.ended is None:
        return load if progress is None else replace(load, ended=progress.done, failed=progress.failed)
    if progress.done < load.ended:
        return load
    return replace(load, ended=progress.done, failed=progress.failed)


def _phases(manifest: Manifest, progress: Progress | None, now: datetime) -> Iterator[Stretch]:
    """Yield phases that were, the one that is, and those of the recipe that were not yet there."""
    known = progress.phases if progress is not None else []
    current = progress.phase if progress is not None and progress.state == "running" else None
    for span in known:
        if span.name != current:
            yield Stretch(span.name, "done")
            continue
        whole = max(0.001, (span.ended - span.started).total_seconds())
        spent = min(whole, max(0.0, (now - span.started).total_seconds()))
        yield Stretch(span.name, "now", whole - spent, spent / whole)
    seen = {span.name for span in known}
    for name in _planned(manifest.recipe):
        if name not in seen:
            yield Stretch(name, "next")


def _planned(recipe: Mapping[str, Any]) -> list[str]:
    try:
        return [stage.name for stage in Recipe.model_validate(recipe).load.stages]
    except ValidationError:  # of a newer dashcam
        return []


def _services(manifest: Manifest) -> list[str]:
    return list(dict.fromkeys(target.job for target in manifest.targets if target.role == "service"))


def _places(manifest: Manifest) -> Iterator[str]:
    for name, word in (("grafana", "Grafana"), ("prometheus", "Prometheus")):
        if name in manifest.endpoints:
            yield f"{word} {manifest.endpoints[name]}"


def _between(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())
