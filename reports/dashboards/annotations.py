"""Annotations by query: the stretches of time for which an expression had an answer other than 0."""

from collections.abc import Iterator, Sequence

import numpy as np

from prometheus import promql
from prometheus.client import Series
from reports.dashboards.ask import Asker, AskError
from reports.dashboards.fields import Wire
from reports.dashboards.frames import legend
from reports.dashboards.interpolate import Scope
from reports.dashboards.model import Annotation
from reports.dashboards.sources import Sources
from reports.dashboards.steps import step

MOST_BANDS = 100
"""Of one dashboard; more would hide the curves."""
_PHASES = "run_phase"
"""The page shades the phases of the manifest, whose edges are exact; the series has them to a scrape."""


def bands(annotations: Sequence[Annotation], asker: Asker, scope: Scope, known: Sources) -> list[Wire]:
    """Return stretches: n name, from and to (UTC seconds), c colour. One that cannot be asked is left out."""
    found: list[Wire] = []
    for one in annotations:
        if known.foreign(one.source) is None and _PHASES not in promql.metrics(one.expr):
            found += _of(one, asker, scope)
    return found[:MOST_BANDS]


def _of(annotation: Annotation, asker: Asker, scope: Scope) -> Iterator[Wire]:
    wanted = step(asker.span, 1000, scope.words(annotation.step))
    try:
        answer = asker.range(scope.with_own(__interval=f"{wanted.seconds:g}s").query(annotation.expr), wanted)
    except AskError:
        return
    for series in answer:
        title = scope.words(legend(annotation.title or annotation.name, series.labels))
        for start, end in _stretches(series, wanted.seconds):
            yield {"n": title, "from": round(start, 3), "to": round(end, 3), "c": annotation.color}


def _stretches(series: Series, seconds: float) -> Iterator[tuple[float, float]]:
    times = series.times[np.isfinite(series.values) & (series.values != 0.0)]
    if len(times):
        edges = np.flatnonzero(np.diff(times) > 1.5 * seconds)
        for first, last in zip([0, *(edges + 1)], [*edges, len(times) - 1], strict=True):
            yield float(times[first]), float(times[last])
