"""When a load is steady: latency and concurrency without a trend, and known well enough, over a window.

The window is cut into 20 batches of equal length. Of each, two figures: the mean latency of the answers that came in
it, and the mean number of requests in progress. The load is steady when for both

1. no trend: the 95 % t-interval of the least-squares slope over the batches contains 0, or what the line changes over
   the window is below 1 % of the mean (a slope that is certain and does not matter);
2. a known mean: the 95 % t-interval of the mean over the batches is at most 10 % of the mean to either side; for the
   concurrency, which has the noise of the arrivals too, 25 % or half a request;

and that has held at five ends of batches in a row, for one look at a random walk may find anything.

Sources: batch means with 10 to 30 batches: B. Schmeiser, Operations Research 30 (1982); stopping by the relative width
of the interval: A. M. Law, Simulation Modeling and Analysis, chapter 9; t = 2.093 and 2.101 for 19 and 18 degrees
of freedom, two-sided 95 %. Looking again and again makes the intervals less certain than 95 %: this is a rule for
stopping, no proof of steadiness; `reports` judges a measured phase by itself.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BATCHES = 20
_T_MEAN, _T_SLOPE = 2.093, 2.101
_TREND_SHARE = 0.01
_LATENCY_SHARE, _PROGRESS_SHARE, _HALF_A_REQUEST = 0.10, 0.25, 0.5
_IN_A_ROW = 5


@dataclass(frozen=True)
class Sums:
    """Counted since the load's start: good answers, their latencies, and requests in progress, integrated over time."""

    answers: int = 0
    latency: float = 0.0
    progress: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.answers + other.answers, self.latency + other.latency, self.progress + other.progress)


class RunningSums:
    """Counts for `Sums` as requests come and go. Times are seconds since the load's start."""

    def __init__(self) -> None:
        self._begun = self._ended = self._answers = 0
        self._begun_at = self._ended_at = self._latency = 0.0

    def begin(self, at: float) -> None:
        """Count a request whose time has come."""
        self._begun += 1
        self._begun_at += at

    def end(self, at: float, latency: float | None) -> None:
        """Count a request that ended, with its latency if it succeeded."""
        self._ended += 1
        self._ended_at += at
        if latency is not None:
            self._answers += 1
            self._latency += latency

    def at(self, now: float) -> Sums:
        """Return the sums. The requests in progress, integrated: each counts from its time to its end, or to now."""
        progress = self._ended_at - self._begun_at + now * (self._begun - self._ended)
        return Sums(self._answers, self._latency, progress)


class Steadiness:
    """Takes the sums at the end of each batch, `window / BATCHES` seconds apart."""

    def __init__(self, window: float) -> None:
        self._length = window / BATCHES
        self._sums: deque[Sums] = deque(maxlen=BATCHES + 1)
        self._held = 0

    def add(self, sums: Sums) -> bool:
        """Take the next sums; tell whether the load is steady."""
        self._sums.append(sums)
        self._held = self._held + 1 if self._looks_steady() else 0
        return self._held >= _IN_A_ROW

    def _looks_steady(self) -> bool:
        if len(self._sums) <= BATCHES:
            return False
        columns = np.array([(each.answers, each.latency, each.progress) for each in self._sums])
        answers, latency, progress = np.diff(columns, axis=0).T
        if not answers.all():  # a batch without an answer has no mean
            return False
        return _flat(latency / answers, _LATENCY_SHARE) and _flat(
            progress / self._length, _PROGRESS_SHARE, _HALF_A_REQUEST
        )


def _flat(batches: NDArray[np.float64], share: float, enough: float = 0.0) -> bool:
    """Apply both conditions: half the mean's interval may be `share` of the mean, or `enough`."""
    mean = float(batches.mean())
    half = _T_MEAN * float(batches.std(ddof=1)) / math.sqrt(BATCHES)
    if half > max(share * mean, enough):
        return False
    place = np.arange(BATCHES) - (BATCHES - 1) / 2
    slope = float(place @ batches / (place @ place))
    rest = batches - mean - slope * place
    error = math.sqrt(float(rest @ rest) / (BATCHES - 2) / float(place @ place))
    return abs(slope) <= _T_SLOPE * error or abs(slope) * BATCHES < _TREND_SHARE * mean
