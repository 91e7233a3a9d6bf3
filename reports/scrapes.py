"""What the targets told, asked by the name of a metric: few questions, however many nodes and collectors there were.

Where one number a series is enough, the server counts. Raw samples are fetched of `up` and of ages; of the rest only
where something is not plain: a collector that failed at some scrapes, a counter that counted something.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from prometheus.client import Series
from reports.presence import Span, within
from reports.statistics import Floats

Key = tuple[str, str]
"""A target: its job and its instance."""
Place = tuple[str, str, str]
"""A target's job and instance, and the value of a label: what is inside it."""

Counted = dict[Key, Counter[tuple[str, ...]]]
"""How often which values of labels stood, target by target."""

NEVER: Floats = np.zeros(0)
_TOGETHER = 20
"""Targets whose raw samples are asked for at once."""


class Recorded(Protocol):
    """What a report asks of a recording; `prometheus.client.Client` is one."""

    def query(self, expression: str, at: float | None = None) -> list[Series]:
        """Evaluate an expression at UTC seconds `at`."""

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Evaluate an expression from `start` to `end` (UTC seconds) each `step` seconds."""

    def samples(self, selector: str, start: float, end: float) -> list[Series]:
        """Return raw samples of a selector."""

    def label_values(self, label: str, start: float, end: float) -> list[str]:
        """Return the values of a label; of `__name__`: the metric names."""


@dataclass(frozen=True)
class Scrapes:
    """Asks about `span`, which holds all that was recorded, and about `judged`, the spans that count, in time's order.

    `judged` holds one span at least. `recorded` is None where nothing was recorded: then there is nothing of anything.
    Methods raise PrometheusError.
    """

    recorded: Recorded | None
    span: Span
    judged: tuple[Span, ...]

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.recorded.label_values("__name__", *self.span)) if self.recorded else frozenset()

    @cached_property
    def _up(self) -> list[Series]:
        return self.recorded.samples("up", *self.span) if self.recorded else []

    @cached_property
    def up(self) -> Mapping[Key, Floats]:
        """The moments of each target's good scrapes."""
        found: dict[Key, list[Floats]] = defaultdict(list)
        for series in self._up:
            found[_key(series)].append(series.times[series.values == 1.0])
        return {key: np.unique(np.concatenate(times)) for key, times in found.items()}

    @cached_property
    def whole(self) -> Span | None:
        """From the first scrape of any target, good or not, to the last; None where there was none."""
        times = [series.times for series in self._up if len(series.times)]
        return (min(float(one[0]) for one in times), max(float(one[-1]) for one in times)) if times else None

    def good(self, metric: str, label: str = "") -> dict[Place, Floats]:
        """Return when a metric that says yes (1) or no said yes, for each value of `label`."""
        ones: dict[Place, float] = defaultdict(float)
        for series in self._ask(metric, f"sum_over_time({metric}[{_duration(self.span)}])", self.span[1]):
            ones[_place(series, label)] += float(series.values[-1])
        moments = {place: self.up.get(place[:2], NEVER) for place in ones}
        # Always yes: at each good scrape. Always no: never. Else it is worth its raw samples.
        odd = {place for place, count in ones.items() if count not in {0.0, float(len(moments[place]))}}
        moments |= {place: NEVER for place, count in ones.items() if count == 0.0}
        said: dict[Place, list[Floats]] = defaultdict(list)
        for series in self._raw(metric, odd, label):
            said[_place(series, label)].append(series.times[series.values == 1.0])
        return moments | {place: np.unique(np.concatenate(said[place])) if place in said else NEVER for place in odd}

    def told(self, metric: str, *labels: str, where: str = "", always: bool = False) -> Counted:
        """Return how many samples a metric had for which values of `labels` from the first judged span to the last.

        `where` selects series; `always` asks about all that was recorded.
        """
        span = self.span if always else self._judged
        names = ", ".join(("job", "instance", *labels))
        expression = f"sum by ({names}) (count_over_time({metric}{{{where}}}[{_duration(span)}]))"
        found: dict[Key, Counter[tuple[str, ...]]] = defaultdict(Counter)
        for series in self._ask(metric, expression, span[1]):
            found[_key(series)][_values(series, labels)] += round(float(series.values[-1]))
        return dict(found)

    def most(self, metric: str) -> dict[Key, float]:
        """Return the largest value of a metric from the first judged span to the last."""
        expression = f"max by (job, instance) (max_over_time({metric}[{_duration(self._judged)}]))"
        return {_key(series): float(series.values[-1]) for series in self._ask(metric, expression, self._judged[1])}

    def grown(self, metric: str, *labels: str) -> Counted:
        """Return what a counter counted in the judged spans, for which values of `labels`; nothing for 0.

        A counter that fell began anew, from 0. So did one that was not there at the first good scrape of its target.
        """
        expression = f"max_over_time({metric}[{_duration(self.span)}]) > 0"
        some = {_place(series, "") for series in self._ask(metric, expression, self.span[1])}
        found: dict[Key, Counter[tuple[str, ...]]] = defaultdict(Counter)
        for series in self._raw(metric, some, ""):
            key = _key(series)
            late = bool((self.up.get(key, NEVER) < series.times[0]).any())
            before = np.concatenate([[0.0 if late else series.values[0]], series.values[:-1]])
            steps = np.where(series.values < before, series.values, series.values - before)
            count = round(float(steps[within(series.times, self.judged)].sum()))
            if count:
                found[key][_values(series, labels)] += count
        return dict(found)

    def values(self, metric: str) -> dict[Key, Series]:
        """Return the samples of a metric in the judged spans, the series of a target one after the other."""
        found: dict[Key, list[Series]] = defaultdict(list)
        for series in self.recorded.samples(metric, *self.span) if self.recorded and metric in self._names else ():
            inside = within(series.times, self.judged)
            if inside.any():
                found[_key(series)].append(Series({}, series.times[inside], series.values[inside]))
        return {
            key: Series({}, np.concatenate([s.times for s in some]), np.concatenate([s.values for s in some]))
            for key, some in found.items()
        }

    @property
    def _judged(self) -> Span:
        return self.judged[0][0], self.judged[-1][1]

    def _ask(self, metric: str, expression: str, at: float) -> list[Series]:
        return self.recorded.query(expression, at) if self.recorded and metric in self._names else []

    def _raw(self, metric: str, parts: Collection[Place], label: str) -> Iterator[Series]:
        instances = sorted({place[1] for place in parts})
        inside = f",{label}=~{_one_of({place[2] for place in parts})}" if label else ""
        for first in range(0, len(instances), _TOGETHER):
            some = _one_of(instances[first : first + _TOGETHER])
            if self.recorded:
                yield from self.recorded.samples(f"{metric}{{instance=~{some}{inside}}}", *self.span)


def _key(series: Series) -> Key:
    return series.labels.get("job", ""), series.labels.get("instance", "")


def _place(series: Series, label: str) -> Place:
    return (*_key(series), series.labels.get(label, "") if label else "")


def _values(series: Series, labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(series.labels.get(label, "") for label in labels)


def _one_of(values: Collection[str]) -> str:
    """Return a regular expression for any of `values` as PromQL writes a text."""
    pattern = "|".join(re.escape(value) for value in sorted(values))
    return '"' + pattern.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _duration(span: Span) -> str:
    return f"{max(1, math.ceil(1000.0 * (span[1] - span[0])))}ms"
