"""The last seconds of a load, for those who watch: rates and latencies in memory that does not grow."""

import math
import time
from collections import Counter, deque
from collections.abc import Iterable

import numpy as np

_LATENCIES_OVER = 10.0
_RATES_OVER = 5.0
_LOG_GROWTH = math.log(1.02)
_CAPACITY = 1 << 15
"""Answers remembered. Above 3277 answers a second the latencies are those of the last 32768 answers."""


class Window:
    """Times are seconds of `time.monotonic`, latencies seconds."""

    def __init__(self) -> None:
        self._done = np.full(_CAPACITY, -np.inf)
        self._latency = np.zeros(_CAPACITY)
        self._next = 0
        self._counts: deque[tuple[float, int, int]] = deque([(time.monotonic(), 0, 0)])

    def add(self, done: float, latency: float) -> None:
        """Remember a good answer."""
        at = self._next % _CAPACITY
        self._done[at], self._latency[at] = done, latency
        self._next += 1

    def latencies(self, now: float) -> tuple[float | None, float | None]:
        """Return p50 and p99 of the answers of the last 10 s; None where there was none."""
        recent = self._latency[self._done >= now - _LATENCIES_OVER]
        if not recent.size:
            return None, None
        p50, p99 = np.percentile(recent, (50, 99))
        return float(p50), float(p99)

    def digest(self, now: float) -> list[tuple[int, int]]:
        """Return the latencies of the last 10 s in buckets of 1 %, for `quantile` to add up over processes."""
        recent = np.maximum(self._latency[self._done >= now - _LATENCIES_OVER], 1e-6)
        places, counts = np.unique(np.floor(np.log(recent) / _LOG_GROWTH).astype(np.int64), return_counts=True)
        return [(int(place), int(count)) for place, count in zip(places, counts, strict=True)]

    def rates(self, now: float, intended: int, done: int) -> tuple[float, float]:
        """Take the counts since the start; return how many a second were intended and done over about 5 s."""
        while len(self._counts) > 1 and self._counts[1][0] <= now - _RATES_OVER:
            self._counts.popleft()
        when, intended_then, done_then = self._counts[0]
        self._counts.append((now, intended, done))
        elapsed = max(now - when, 1e-3)
        return round((intended - intended_then) / elapsed, 3), round((done - done_then) / elapsed, 3)


def quantile(digests: Iterable[Iterable[tuple[int, int]]], p: float) -> float | None:
    """Return quantile `p` of the latencies in all digests, to 1 %; None where there is none."""
    whole: Counter[int] = Counter()
    for digest in digests:
        for place, count in digest:
            whole[place] += count
    rank, reached = math.ceil(whole.total() * p), 0
    for place, count in sorted(whole.items()):
        reached += count
        if reached >= rank:
            return math.exp((place + 0.5) * _LOG_GROWTH)
    return None
