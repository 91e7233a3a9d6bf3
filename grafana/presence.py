"""Whether each panel of a run's dashboards has data in its recording, and if not, why."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grafana import archive, promql
from prometheus import reasons
from prometheus.client import Client
from prometheus.promql import metrics
from runs.recipe import Recipe

_MOST_POINTS = 2000
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Presence:
    """A panel of a dashboard: how many of its queries were answered, and why none was (None: nobody knows)."""

    dashboard: str
    panel: str
    queries: int
    answered: int
    reason: str | None = None

    @property
    def empty(self) -> bool:
        """Whether it shows nothing."""
        return not self.answered

    @property
    def fault(self) -> bool:
        """Whether it shows nothing and there is no reason for it."""
        return self.empty and self.reason is None


@dataclass(frozen=True)
class Window:
    """The run and the time that are looked at: UTC seconds, `interval` seconds between scrapes."""

    run_id: str
    start: float
    end: float
    interval: float

    @property
    def step(self) -> float:
        """Seconds between the points of a range query."""
        return max(self.interval, (self.end - self.start) / _MOST_POINTS)

    @property
    def values(self) -> Mapping[str, str]:
        """Grafana's variables: $__rate_interval is four scrapes or the step and one, whichever is more."""
        rate = max(self.step + self.interval, 4 * self.interval)
        return {
            "run": self.run_id,
            "node": ".*",
            "__rate_interval": f"{math.ceil(rate * 1000)}ms",
            "__range": f"{max(1, math.ceil(self.end - self.start))}s",
        }


def look(directory: Path, client: Client, recipe: Recipe, window: Window) -> Iterator[Presence]:
    """Ask a recording for each panel of the dashboards in `directory`. Raises PrometheusError, OSError."""
    names = frozenset(client.label_values("__name__", window.start, window.end))
    asked = _Asked(client, recipe, window, names, reasons.tell(client, window.start, window.end))
    for path in archive.read(directory):
        for panel in json.loads(path.read_bytes())["panels"]:
            if panel.get("targets"):
                yield asked.panel(path.stem, panel)


@dataclass(frozen=True)
class _Asked:
    """A recording that is open in Prometheus, `names` of its metrics, and what it told of its gaps."""

    client: Client
    recipe: Recipe
    window: Window
    names: frozenset[str]
    told: reasons.Told

    def panel(self, dashboard: str, panel: Json) -> Presence:
        targets = panel["targets"]
        answered = sum(self._answered(target) for target in targets)
        reason = None if answered else self._reason(target["expr"] for target in targets)
        return Presence(dashboard, panel["title"], len(targets), answered, reason)

    def _answered(self, target: Json) -> bool:
        window, expr = self.window, promql.fill(target["expr"], self.window.values)
        if target["instant"]:
            found = self.client.query(expr, window.end)
        else:
            found = self.client.query_range(expr, window.start, window.end, window.step)
        return any(bool(np.isfinite(series.values).any()) for series in found)

    def _reason(self, expressions: Iterable[str]) -> str | None:
        """Give the reasons of the metrics that are missing; where none is, of those that there are but say nothing."""
        names = sorted(frozenset().union(*map(metrics, expressions)))
        missing = [name for name in names if name not in self.names]
        found = [reasons.why(name, self.recipe, self.told) for name in missing or names]
        known = dict.fromkeys(reason for reason in found if reason is not None)
        if not known or (missing and None in found):
            return None
        return "; ".join(known)
