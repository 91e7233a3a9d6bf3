"""From panels to lines: the queries of a recording, on one time axis that all charts share."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prometheus.client import Series
from reports.panels import PANELS, Panel
from reports.scrapes import Recorded
from reports.statistics import Floats

MOST_SERIES = 12
"""Lines in one chart; of more, those with the highest peaks are drawn, and the chart says how many are not."""
MOST_POINTS = 1200
_FRESH = 2.5
"""Scrape intervals for which the value of a gauge is taken as the present one."""
_GAUGE = re.compile(r"\blast\(([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^}]*\})?)\)")


@dataclass(frozen=True)
class Line:
    """A drawn series: a name, and a value (NaN: none) for each point of the grid."""

    name: str
    values: Floats


@dataclass(frozen=True)
class Chart:
    """A panel with its lines; `left_out` counts those that it has no room for."""

    group: str
    title: str
    unit: str
    description: str
    lines: tuple[Line, ...]
    left_out: int = 0


@dataclass(frozen=True)
class Absent:
    """A panel that is not drawn, and why."""

    title: str
    reason: str


@dataclass(frozen=True)
class Grid:
    """The time axis: UTC seconds, `step` apart; `interval` is that of the scrapes."""

    times: Floats
    step: float
    interval: float

    @classmethod
    def over(cls, start: float, end: float, interval: float) -> "Grid":
        """Make a grid of the recording's interval, coarser by whole intervals for long runs (MOST_POINTS)."""
        step = interval * max(1, int(np.ceil((end - start) / interval / MOST_POINTS)))
        return cls(np.arange(start, end + step / 2, step), step, interval)

    @property
    def rate_window(self) -> str:
        """The window of a rate: four scrapes, so that one may be missing, and no less than the step."""
        return _duration(max(4.0 * self.interval, self.step))

    def expression(self, text: str) -> str:
        """Write a panel's expression as PromQL. A grid coarser than the scrapes averages gauges over its step."""
        function, window = "last_over_time", _FRESH * self.interval
        if self.step > self.interval:
            function, window = "avg_over_time", max(window, self.step)
        text = _GAUGE.sub(rf"{function}(\1[{_duration(window)}])", text)
        return text.replace("$w", self.rate_window)


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def charts(recorded: Recorded | None, grid: Grid) -> tuple[list[Chart], list[Absent]]:
    """Return the charts of the panels that the recording has data for, and the panels that are missing.

    A panel of a service that was not run is neither. Raises PrometheusError.
    """
    if recorded is None or not len(grid.times):
        return [], [Absent(panel.title, "no series were saved") for panel in PANELS if panel.when is None]
    known = set(recorded.label_values("__name__", float(grid.times[0]), float(grid.times[-1])))
    drawn: list[Chart] = []
    absent: list[Absent] = []
    for panel in PANELS:
        if panel.when is not None and panel.when not in known:
            continue
        if not known.intersection(panel.metrics):
            absent.append(Absent(panel.title, f"no target offers {panel.metrics[0]}"))
            continue
        lines = _lines(panel, recorded, grid)
        kept = tuple(_highest(lines))
        if kept:
            left_out = len(lines) - len(kept)
            drawn.append(Chart(panel.group, panel.title, panel.unit, panel.description, kept, left_out))
        else:
            absent.append(Absent(panel.title, "its series have no values in these phases"))
    return drawn, absent


def _lines(panel: Panel, recorded: Recorded, grid: Grid) -> list[Line]:
    lines: list[Line] = []
    for template, text in panel.queries:
        found = recorded.query_range(grid.expression(text), float(grid.times[0]), float(grid.times[-1]), grid.step)
        drawn = [Line(legend(template, series), on_grid(series, grid)) for series in found]
        lines += sorted((line for line in drawn if not np.isnan(line.values).all()), key=lambda line: line.name)
    return lines


def _highest(lines: Sequence[Line]) -> list[Line]:
    if len(lines) <= MOST_SERIES:
        return list(lines)
    ranked = sorted(range(len(lines)), key=lambda index: -float(np.nanmax(lines[index].values)))
    return [lines[index] for index in sorted(ranked[:MOST_SERIES])]


def legend(template: str, series: Series) -> str:
    """Fill a legend's {label} places."""
    return re.sub(r"\{(\w+)\}", lambda match: series.labels.get(match[1], ""), template).strip() or "all"


def on_grid(series: Series, grid: Grid) -> Floats:
    """Put samples at their places; where there is none, or none that is a number, stands NaN."""
    values = np.full(len(grid.times), np.nan)
    places = np.rint((series.times - grid.times[0]) / grid.step).astype(np.int64)
    inside = (places >= 0) & (places < len(values))
    values[places[inside]] = series.values[inside]
    values[np.isinf(values)] = np.nan
    return values
