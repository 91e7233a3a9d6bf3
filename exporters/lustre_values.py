"""One scrape's samples, added up over mounts and targets, and counters that do not fall when one of these goes."""

from collections import defaultdict

from exporters.families import Families

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, str, Labels]
"""A series: its name, its help and its labels."""


class Totals:
    """Counters of several mounts under one name, which never fall: not when a mount goes, not when one is reset."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Key, str], float] = {}
        self._totals: defaultdict[Key, float] = defaultdict(float)

    def grow(self, key: Key, source: str, value: float) -> float:
        """Take `value` of `source`'s counter; returns the total. A counter that fell began again at zero."""
        before = self._seen.get((key, source), 0.0)
        self._seen[key, source] = value
        self._totals[key] += value - before if value >= before else value
        return self._totals[key]


class Values:
    """Samples of one scrape, by name and labels, until all mounts are in."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals
        self._values: dict[Key, float] = {}
        self._counters: set[str] = set()

    def count(self, name: str, about: str, value: float, source: str, *labels: tuple[str, str]) -> None:
        """Take a counter of `source`."""
        key = (name, about, labels)
        self._counters.add(name)
        self._values[key] = self._totals.grow(key, source, value)

    def sum(self, name: str, about: str, value: float, *labels: tuple[str, str]) -> None:
        """Take a gauge that adds up over mounts and targets."""
        key = (name, about, labels)
        self._values[key] = self._values.get(key, 0.0) + value

    def same(self, name: str, about: str, value: float, *labels: tuple[str, str]) -> None:
        """Take a gauge that is the same for all mounts."""
        self._values.setdefault((name, about, labels), value)

    def largest(self, name: str, about: str, value: float, *labels: tuple[str, str]) -> None:
        """Take a gauge of which the largest counts."""
        key = (name, about, labels)
        self._values[key] = max(value, self._values.get(key, value))

    def write(self, families: Families) -> None:
        """Hand all over."""
        for (name, about, labels), value in self._values.items():
            (families.counter if name in self._counters else families.gauge)(name, about, value, **dict(labels))
