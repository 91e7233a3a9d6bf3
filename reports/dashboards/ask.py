"""What dashboards ask a recording: each question once, none whose metrics were not recorded, in bounded time."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus import promql
from prometheus.client import PrometheusError, RefusedError, Series
from reports.dashboards.steps import Range, Step, words
from reports.scrapes import Recorded

BUDGET_SECONDS = 60.0
"""What all dashboards together may take: Slurm grants no more than half a minute to a run that is out of time."""


_Call = Callable[[Recorded], Sequence[Any]]


class AskError(Exception):
    """A query has no answer; the text is for the panel that asked."""


@dataclass
class Asker:
    """Asks `recorded` (None: nothing was recorded) about `span`. Methods raise AskError."""

    recorded: Recorded | None
    span: Range
    budget: float = BUDGET_SECONDS
    _until: float = 0.0
    _known: frozenset[str] | None = None
    _kept: dict[tuple[object, ...], Sequence[Series]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.budget

    @property
    def known(self) -> frozenset[str]:
        """The names of all metrics that were recorded in the span."""
        if self._known is None:
            self._known = frozenset(self.label_values("__name__"))
        return self._known

    def range(self, expression: str, step: Step) -> Sequence[Series]:
        """Return the answer to a range query."""
        key = (expression, step.start, step.end, step.seconds)
        if key not in self._kept:
            self._kept[key] = self._ask(
                expression, lambda recorded: recorded.query_range(expression, step.start, step.end, step.seconds)
            )
        return self._kept[key]

    def instant(self, expression: str, at: float | None = None) -> Sequence[Series]:
        """Return the answer at a moment, UTC seconds: the end of the span where none is given."""
        moment = self.span.end if at is None else at
        key = (expression, moment)
        if key not in self._kept:
            self._kept[key] = self._ask(expression, lambda recorded: recorded.query(expression, moment))
        return self._kept[key]

    def label_values(self, label: str, selector: str = "") -> list[str]:
        """Return the values that a label had at any time of the span, sorted."""
        if not selector:
            return sorted(self._call(lambda recorded: recorded.label_values(label, self.span.start, self.span.end)))
        window = words(self.span.seconds)
        return self.values_of(f"group by ({label}) (last_over_time({selector}[{window}]))", label)

    def values_of(self, expression: str, label: str) -> list[str]:
        """Return the values of a label in the answer at the end of the span, sorted."""
        return sorted({series.labels[label] for series in self.instant(expression) if label in series.labels})

    def _ask(self, expression: str, call: _Call) -> Sequence[Series]:
        if not promql.answers_of_nothing(expression) and not self.known.intersection(promql.metrics(expression)):
            return ()
        return self._call(call)

    def _call(self, call: _Call) -> Sequence[Any]:
        if self.recorded is None:
            return ()
        if time.monotonic() > self._until:
            raise AskError(f"not asked: the {self.budget:.0f} s that all dashboards may take were over")
        try:
            return call(self.recorded)
        except RefusedError as error:
            raise AskError(f"Prometheus refuses it: {error.reason}") from error
        except PrometheusError as error:
            raise AskError(re.sub(r"https?://\S+", "the recording", str(error))) from error
