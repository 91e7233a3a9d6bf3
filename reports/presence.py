"""Was it there? Moments at which something gave data, held against the time in which it should have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.statistics import Flags, Floats

Span = tuple[float, float]
"""From when until when, UTC seconds; the end is outside."""

GAP_INTERVALS = 3.5
"""Scrape intervals beyond which a gap is too long: two scrapes in a row may be missed, the half is for jitter."""
STREAK = 3
"""The same, counted in scrapes that were missed in a row."""
_FEW, _SHARE = 2, 0.1
"""One in ten may be missed here and there, and two in any case: the rates of charts reach over four scrapes."""
_MISSED_INTERVALS = 1.5
"""A gap longer than that has lost a scrape."""


@dataclass(frozen=True)
class Presence:
    """How something was there in some spans, scraped each `interval` seconds.

    `gaps` counts the times in which a scrape or more was lost; the longest time without one was `longest` seconds and
    ended at `ended` (UTC seconds).
    """

    good: int
    expected: int
    interval: float
    gaps: int = 0
    longest: float = 0.0
    ended: float | None = None

    @property
    def share(self) -> float | None:
        """Good scrapes of expected ones, at most 1; None where none was expected."""
        return min(1.0, self.good / self.expected) if self.expected else None

    @property
    def holed(self) -> bool:
        """Whether more is missing than a curve forgives."""
        return self.longest > GAP_INTERVALS * self.interval or _many(self.expected - self.good, self.expected)


@dataclass(frozen=True)
class Misses:
    """How many of the scrapes that were answered went without something, and how many in a row."""

    count: int
    answered: int
    streak: int

    @property
    def many(self) -> bool:
        """Whether that is more than a curve forgives."""
        return self.streak >= STREAK or _many(self.count, self.answered)


def _many(missed: int, of: int) -> bool:
    return missed > max(_FEW, _SHARE * of)


def presence(moments: Floats, spans: Sequence[Span], interval: float) -> Presence:
    """Count span by span; the time between two spans is nobody's gap.

    A gap lies between two moments, or between one and an edge of its span. `moments` are in rising order.
    """
    good = expected = gaps = 0
    longest, ended = 0.0, None
    for start, end in spans:
        if end <= start:
            continue
        inside = moments[within(moments, [(start, end)])]
        good += len(inside)
        expected += max(1, int((end - start) / interval))
        edges = np.concatenate([[start], inside, [end]])
        lengths = np.diff(edges)
        gaps += int((lengths > _MISSED_INTERVALS * interval).sum())
        place = int(lengths.argmax())
        if lengths[place] > longest:
            longest, ended = float(lengths[place]), float(edges[place + 1])
    return Presence(good, expected, interval, gaps, longest, ended)


def misses(answered: Floats, good: Floats, spans: Sequence[Span]) -> Misses:
    """Count the moments of `answered` that are not in `good`. Spans in which nothing was answered miss nothing."""
    count = asked = streak = 0
    for span in spans:
        inside = answered[within(answered, [span])]
        missed = ~np.isin(inside, good)
        asked += len(inside)
        count += int(missed.sum())
        edges = np.flatnonzero(np.diff(np.concatenate([[False], missed, [False]]).astype(np.int8)))
        streak = max(streak, int((edges[1::2] - edges[::2]).max(initial=0)))
    return Misses(count, asked, streak)


def within(moments: Floats, spans: Sequence[Span]) -> Flags:
    """Tell which moments lie in one of the spans."""
    inside = np.zeros(len(moments), dtype=np.bool_)
    for start, end in spans:
        inside |= (moments >= start) & (moments < end)
    return inside
