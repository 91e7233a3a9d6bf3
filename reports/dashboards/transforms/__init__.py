"""Grafana's transformations of frames, by their ids; one that is not here is named on the panel.

A file here that has `TRANSFORMATIONS` offers some. After
https://grafana.com/docs/grafana/latest/panels-visualizations/query-transform-data/transform-data/
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from reports.dashboards import regex
from reports.dashboards.frames import Frame
from reports.dashboards.reading import mapping, text
from reports.dashboards.transforms.kinds import Frames, Options, UnappliedError

_NOTHING = frozenset({"prepareTimeSeries"})
"""Transformations of the form in which Grafana holds what are frames here."""


@cache
def transformations() -> Mapping[str, Callable[[Frames, Options], Frames]]:
    """Return every transformation that is here."""
    found: dict[str, Callable[[Frames, Options], Frames]] = {}
    for module in pkgutil.iter_modules(__path__):
        found |= getattr(importlib.import_module(f"{__name__}.{module.name}"), "TRANSFORMATIONS", {})
    return found


def apply(frames: Sequence[Frame], steps: Iterable[Mapping[str, Any]]) -> tuple[Frames, list[str]]:
    """Apply transformations in order; returns the frames, and what was not applied."""
    found, notes = list(frames), []
    for step in steps:
        name = text(step.get("id"))
        change = transformations().get(name)
        if name in _NOTHING or not found:
            continue
        if change is None:
            notes.append(f"the transformation {name or 'without a name'} is not applied")
            continue
        mine, others = _chosen(found, mapping(step.get("filter")))
        try:
            found = [*change(mine, mapping(step.get("options"))), *others]
        except UnappliedError as error:
            notes.append(f"the transformation {name} is not applied: {error}")
    return found, notes


def _chosen(frames: Frames, which: Mapping[str, Any]) -> tuple[Frames, Frames]:
    """Part the frames that a transformation is for from the others; it is for all where it does not say."""
    if which.get("id") != "byRefId":
        return frames, []
    written = text(which.get("options"))
    try:
        wanted = regex.compiled(written.strip("/"), whole=True)
    except re.error:
        return frames, []
    fits = [wanted.fullmatch(frame.ref) is not None for frame in frames]
    return [f for f, fit in zip(frames, fits, strict=True) if fit], [
        f for f, fit in zip(frames, fits, strict=True) if not fit
    ]
