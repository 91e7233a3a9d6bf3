"""Counts that come in pieces (delta) or begin anew (cumulative), as one total that does not fall."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping

Parts = Mapping[Hashable, float]
"""A count by its parts: one for a counter; a histogram's count, sum and buckets."""

_STARTS = 16
"""Streams at once under one series: programs that cannot be told apart, or one that was started again."""

_REMEMBERED = 8


class Total:
    """Adds up one series. `key` is the part that tells by falling that its program began anew."""

    def __init__(self, key: Hashable) -> None:
        self._key = key
        self._base: dict[Hashable, float] = {}
        self._streams: OrderedDict[int, tuple[int, dict[Hashable, float]]] = OrderedDict()
        self._recent: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._folded = -1

    def cumulative(self, start: int, time: int, parts: Parts) -> bool:
        """Take what a stream that began at `start` had counted at `time` (in ns); False: we have later ones."""
        known = self._streams.get(start)
        if known is None:
            if 0 < start <= self._folded:
                return False
        elif time <= known[0]:
            return False
        elif parts.get(self._key, 0.0) < known[1].get(self._key, 0.0):
            self._fold(known[1])
        self._streams[start] = (time, dict(parts))
        if len(self._streams) > _STARTS:
            oldest, (_, counted) = self._streams.popitem(last=False)
            self._fold(counted)
            self._folded = max(self._folded, oldest)
        return True

    def delta(self, start: int, time: int, parts: Parts) -> bool:
        """Take what was counted between `start` and `time`; False: that was here already."""
        if (start, time) in self._recent:
            return False
        self._recent.append((start, time))
        self._fold(parts)
        return True

    def parts(self) -> dict[Hashable, float]:
        """Return the total by its parts."""
        total = dict(self._base)
        for _, counted in self._streams.values():
            _add(total, counted)
        return total

    def rename(self, name: Callable[[Hashable], Hashable]) -> None:
        """Give all parts new names; those that become the same are added up."""
        self._base = _renamed(self._base, name)
        for start, (time, counted) in self._streams.items():
            self._streams[start] = (time, _renamed(counted, name))

    def _fold(self, parts: Parts) -> None:
        _add(self._base, parts)


def _add(total: dict[Hashable, float], parts: Parts) -> None:
    for name, value in parts.items():
        total[name] = total.get(name, 0.0) + value


def _renamed(parts: Parts, name: Callable[[Hashable], Hashable]) -> dict[Hashable, float]:
    total: dict[Hashable, float] = {}
    for part, value in parts.items():
        new = name(part)
        total[new] = total.get(new, 0.0) + value
    return total
