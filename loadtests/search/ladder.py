"""Which rate is tried next: doubling until one fails, then halving what lies between, then confirming the edge.

The order of rates depends on the outcomes only. As AIPerf's SLA search it keeps the highest passing and the lowest
failing rate, and whether the outcomes were monotonic; as GuideLLM's `goodput` it doubles, then halves.
"""

from typing import Literal

from runs.search import Search

End = Literal["found", "above", "below", "unsettled"]
"""`above`: the highest rate that may be tried passed; `below`: the lowest failed; `unsettled`: too many probes."""


class Ladder:
    """Rates in requests/s. A rate that failed once has failed; the edge is the highest below all that failed."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._outcomes: list[tuple[float, bool]] = []

    @property
    def high(self) -> float | None:
        """The lowest rate that failed."""
        return min((rate for rate, passed in self._outcomes if not passed), default=None)

    @property
    def low(self) -> float | None:
        """The highest rate that passed and lies below all that failed."""
        high = self.high
        return max((rate for rate, passed in self._outcomes if passed and (high is None or rate < high)), default=None)

    @property
    def monotonic(self) -> bool:
        """Whether no rate failed that lies at or below one that passed."""
        passed = max((rate for rate, ok in self._outcomes if ok), default=None)
        return passed is None or all(ok or rate > passed for rate, ok in self._outcomes)

    def tell(self, rate: float, *, passed: bool) -> None:
        """Take the outcome of a probe."""
        self._outcomes.append((rate, passed))

    def next(self) -> float | None:
        """Return the rate to try; None: the search is over."""
        search, low, high = self._search, self.low, self.high
        if not self._outcomes:
            return search.start
        if low is None or len(self._outcomes) >= search.limit:
            return None
        if high is None and low < search.most:
            return min(2.0 * low, search.most)
        if high is not None and high - low > search.resolution * low * (1 + 1e-9):
            middle = float(f"{(low + high) / 2:.4g}")
            if low < middle < high:
                return middle
        return low if self._confirmed(low) < search.confirm else None

    def _confirmed(self, rate: float) -> int:
        return sum(passed for tried, passed in self._outcomes if tried == rate)

    @property
    def end(self) -> End:
        """How the search ended, once `next` returns None."""
        if self.low is None:
            return "below"
        if self._confirmed(self.low) < self._search.confirm:
            return "unsettled"
        return "above" if self.high is None else "found"

    @property
    def left(self) -> int:
        """About how many probes are still to come where no confirmation fails."""
        search, low, high = self._search, self.low, self.high
        if low is None:
            return 0 if self._outcomes else 1 + search.halvings + search.confirm
        if high is None:
            return int(low < search.most) + search.halvings + search.confirm - 1
        gap, halvings = (high - low) / low, 0
        while gap > search.resolution * (1 + 1e-9):
            gap, halvings = gap / 2, halvings + 1
        return halvings + max(0, search.confirm - self._confirmed(low))
