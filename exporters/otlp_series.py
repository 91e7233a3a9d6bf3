"""What is kept of one series, by kind, and how it is written for Prometheus."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Protocol

from exporters.otlp_total import Total

Sample = tuple[str, Mapping[str, str], float]
"""Suffix of the name, labels beside the series' own, value."""

MOST_BUCKETS = 20
"""Classic buckets that an exponential histogram gets at most."""

_FINEST = 3
_COARSEST = -10
"""Scales (OpenTelemetry's data model): a bucket's bounds are powers of 2 ** 2 ** -scale."""

_COUNT, _SUM, _ZERO = "count", "sum", "zero"


class Series(Protocol):
    """One series of any kind."""

    def samples(self) -> Iterator[Sample]:
        """Yield its samples."""
        ...

    def lines(self) -> int:
        """Return how many lines it takes."""
        ...


class Number:
    """A counter, or an up-down counter that comes in pieces."""

    def __init__(self, suffix: str) -> None:
        self.total = Total("")
        self._suffix = suffix

    def samples(self) -> Iterator[Sample]:
        """See Series."""
        yield self._suffix, {}, self.total.parts().get("", 0.0)

    def lines(self) -> int:
        """See Series."""
        return 1


class Latest:
    """A gauge: the value of the latest time."""

    def __init__(self) -> None:
        self._time = -1
        self._value = 0.0

    def put(self, time: int, value: float) -> bool:
        """Take a value; False: there is a later one."""
        if time < self._time:
            return False
        self._time, self._value = time, value
        return True

    def samples(self) -> Iterator[Sample]:
        """See Series."""
        yield "", {}, self._value

    def lines(self) -> int:
        """See Series."""
        return 1


class Summary:
    """Quantiles that a program computed itself, `most` at most: they count among the lines from the beginning."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._time = -1
        self._values: list[Sample] = []

    def put(self, time: int, count: float, total: float, quantiles: Sequence[tuple[float, float]]) -> bool:
        """Take a summary; False: there is a later one."""
        if time < self._time:
            return False
        self._time = time
        self._values = [("", {"quantile": _bound_text(share)}, value) for share, value in quantiles]
        self._values += [("_sum", {}, total), ("_count", {}, count)]
        return True

    def samples(self) -> Iterator[Sample]:
        """See Series."""
        yield from self._values

    def lines(self) -> int:
        """See Series."""
        return self.most + 2


class Histogram:
    """A histogram with bounds of its own."""

    def __init__(self, bounds: Sequence[float], *, with_sum: bool) -> None:
        self.total = Total(_COUNT)
        self.bounds = tuple(bounds)
        self._with_sum = with_sum

    def parts(self, count: float, total: float, buckets: Sequence[float]) -> dict[Hashable, float]:
        """Return a point by its parts."""
        return {_COUNT: count, _SUM: total, **dict(enumerate(buckets))}

    def samples(self) -> Iterator[Sample]:
        """See Series."""
        parts = self.total.parts()
        below = 0.0
        for index, bound in enumerate(self.bounds):
            below += parts.get(index, 0.0)
            yield "_bucket", {"le": _bound_text(bound)}, below
        yield from _ends(parts, with_sum=self._with_sum)

    def lines(self) -> int:
        """See Series."""
        return len(self.bounds) + 3


class Exponential:
    """An exponential histogram as classic buckets at powers of two, or of a root of two.

    The scale is lowered until at most MOST_BUCKETS buckets span all that was counted; each lower scale merges pairs of
    buckets, so what is counted stays exact and the bounds that remain are among those that were there.
    """

    def __init__(self, *, with_sum: bool) -> None:
        self.total = Total(_COUNT)
        self._scale = _FINEST
        self._with_sum = with_sum

    def parts(
        self, scale: int, ends: tuple[float, float, float], positive: Mapping[int, int], negative: Mapping[int, int]
    ) -> dict[Hashable, float] | None:
        """Return a point of `ends` (count, sum, zeros) and buckets by index as parts of the series' scale.

        Lowers the series' scale where the point asks for it; None where no scale holds it.
        """
        if scale < _COARSEST:
            return None
        self._lower_to(min(scale, self._scale))
        fine = {1: positive, -1: negative}
        while True:
            shift = scale - self._scale
            coarse = {sign: {index >> shift for index in counts} for sign, counts in fine.items()}
            old = {sign: {part[1] for part in self._buckets() if part[0] == sign} for sign in fine}
            spans = [max(both) - min(both) + 1 for sign in fine if (both := coarse[sign] | old[sign])]
            if sum(spans) <= MOST_BUCKETS:
                break
            if self._scale <= _COARSEST:
                return None
            self._lower_to(self._scale - 1)
        parts: dict[Hashable, float] = {_COUNT: ends[0], _SUM: ends[1], _ZERO: ends[2]}
        for sign, counts in fine.items():
            for index, count in counts.items():
                part = (sign, index >> shift)
                parts[part] = parts.get(part, 0.0) + count
        return parts

    def samples(self) -> Iterator[Sample]:
        """See Series."""
        parts = self.total.parts()
        counts: list[tuple[float, float]] = []
        for sign in (-1, 1):
            indices = sorted(part[1] for part in self._buckets() if part[0] == sign)
            if sign > 0:
                edge = self._bound(indices[0]) if indices else 0.0
                counts.append((edge, parts.get(_ZERO, 0.0)))
            for index in range(indices[0], indices[-1] + 1) if indices else ():
                bound = self._bound(index + 1) if sign > 0 else -self._bound(index)
                counts.append((bound, parts.get((sign, index), 0.0)))
        below: dict[float, float] = {}
        running = 0.0
        for bound, count in sorted(counts, key=lambda pair: pair[0]):
            running += count
            if math.isfinite(bound):
                below[bound] = running
        yield from (("_bucket", {"le": _bound_text(bound)}, count) for bound, count in below.items())
        yield from _ends(parts, with_sum=self._with_sum)

    def lines(self) -> int:
        """See Series."""
        return MOST_BUCKETS + 4

    def _bound(self, index: int) -> float:
        try:
            return math.ldexp(1.0, index << -self._scale) if self._scale <= 0 else 2.0 ** (index / 2**self._scale)
        except OverflowError:
            return math.inf

    def _buckets(self) -> list[tuple[int, int]]:
        return [part for part in self.total.parts() if isinstance(part, tuple)]

    def _lower_to(self, scale: int) -> None:
        shift = self._scale - scale
        if shift > 0:
            self.total.rename(lambda part: (part[0], part[1] >> shift) if isinstance(part, tuple) else part)
            self._scale = scale


def _bound_text(value: float) -> str:
    return "+Inf" if value == math.inf else repr(value)


def _ends(parts: Mapping[Hashable, float], *, with_sum: bool) -> Iterator[Sample]:
    yield "_bucket", {"le": "+Inf"}, parts.get(_COUNT, 0.0)
    yield "_count", {}, parts.get(_COUNT, 0.0)
    if with_sum:
        yield "_sum", {}, parts.get(_SUM, 0.0)
