"""The time axis of the report, and what is drawn over it from the records."""

from dataclasses import dataclass

import numpy as np

from reports.statistics import Floats

MOST_POINTS = 1200


@dataclass(frozen=True)
class Line:
    """A drawn series: a name, and a value (NaN: none) for each point of the grid."""

    name: str
    values: Floats


@dataclass(frozen=True)
class Chart:
    """A chart with its lines; `unit` as in `reports.words.display`."""

    title: str
    unit: str
    description: str
    lines: tuple[Line, ...]


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
