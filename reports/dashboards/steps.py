"""Grafana's arithmetic of time: how wide a step is, and what $__interval and $__rate_interval stand for.

After Grafana's own Prometheus data source (pkg/promlib/models/query.go, pkg/promlib/intervalv2): the range over the
number of points, rounded to a step that reads well, no less than the interval of the scrapes, and at most
11,000 points.
"""

import math
import re
from dataclasses import dataclass

_MOST_POINTS = 11_000
"""Points that Prometheus gives at most for one series."""
_ROUND = (
    *((15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1_500, 1_000), (3_500, 2_000)),
    *((7_500, 5_000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000)),
    *((210_000, 120_000), (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000)),
    *((2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000)),
    *((32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000)),
)
"""Up to so many ms, a step is so many ms."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}


@dataclass(frozen=True)
class Range:
    """The time that dashboards show, UTC seconds; `interval` is that of the scrapes, in seconds."""

    start: float
    end: float
    interval: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True)
class Step:
    """The points of a query: `count` from `start` on, `seconds` apart; `rate` is $__rate_interval in seconds."""

    start: float
    count: int
    seconds: float
    rate: float

    @property
    def end(self) -> float:
        """The last point."""
        return self.start + (self.count - 1) * self.seconds


def step(span: Range, points: int, least: str = "", factor: int = 1) -> Step:
    """Return the step of a query that may give `points` points; `least` is the panel's or the query's own interval."""
    least = re.sub(r"[<>\s]", "", least)
    scrape = duration(f"{least}s" if least.isdecimal() else least) or span.interval  # a bare number is seconds
    width = max(rounded(span.seconds / max(1, points)), scrape)
    width = max(width * factor, rounded(span.seconds / _MOST_POINTS))
    first, last = (math.floor(round(moment / width, 6)) for moment in (span.start, span.end))
    return Step(round(first * width, 3), last - first + 1, width, max(width + scrape, 4 * scrape))


def rounded(seconds: float) -> float:
    """Round a step as Grafana does: 0.4 s to 0.5 s, 47 s to 1 min."""
    milliseconds = seconds * 1000.0
    return next((value for most, value in _ROUND if milliseconds <= most), 604_800_000) / 1000.0


def duration(text: str) -> float | None:
    """Read 30s, 500ms, 1m; None where it is none of them."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)(ms|[smhdwy])\s*", text)
    return float(match[1]) * _UNITS[match[2]] if match else None


def words(seconds: float) -> str:
    """Write a duration as PromQL reads it: in ms where it is no whole number of seconds."""
    milliseconds = max(1, round(1000.0 * seconds))
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"
