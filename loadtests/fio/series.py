"""fio's figures as series, while it runs: counts, bytes and the whole histogram of completion latency."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from loadtests.importers import base
from loadtests.importers.fio import bins

_BOUNDS = tuple(factor * 10.0**power for power in range(-7, 2) for factor in (1.0, 2.0, 5.0))
"""From 100 ns to 50 s, three a decade."""
_LABELS = ("phase", "target", "operation")
Key = tuple[str, str, str]


class FilesSeries(Collector):
    """Holds the last figures of each phase, target and operation."""

    def __init__(self) -> None:
        self._parts: dict[Key, Mapping[str, Any]] = {}

    def update(self, key: Key, part: Mapping[str, Any]) -> None:
        """Take a direction's part of fio's JSON+."""
        self._parts[key] = part

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        operations = CounterMetricFamily("load_files_operations", "Operations that fio completed.", labels=_LABELS)
        moved = CounterMetricFamily("load_files_bytes", "Bytes that fio read or wrote.", labels=_LABELS)
        text = "Completion latency (fio's clat): from the hand-over to the kernel to the completion."
        latency = HistogramMetricFamily("load_files_duration_seconds", text, labels=_LABELS)
        for key, part in self._parts.items():
            operations.add_metric(key, part.get("total_ios", 0))
            moved.add_metric(key, part.get("io_bytes", 0))
            clat = part.get("clat_ns") or {}
            total = clat.get("mean", 0.0) * clat.get("N", 0) / 1e9
            latency.add_metric(key, cumulated(clat), sum_value=total)
        return (operations, moved, latency)


def cumulated(clat: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the histogram as Prometheus takes it: upper bound and how many were not above."""
    try:
        found = sorted(bins(clat).items())
    except base.Unfit:
        found = []
    result: list[tuple[str, float]] = []
    passed, place = 0, 0
    for bound in _BOUNDS:
        while place < len(found) and found[place][0] <= bound:
            passed += found[place][1]
            place += 1
        result.append((f"{bound:g}", passed))
    return [*result, ("+Inf", passed + sum(count for _, count in found[place:]))]
