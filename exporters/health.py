"""What a sidecar says about itself: the exporter_* series."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import Metric

from exporters.families import Families
from exporters.files import read

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Health:
    """How one collector fares. Times in seconds, `last_success` since the epoch; counts since the sidecar began."""

    collector: str
    success: bool
    seconds: float
    last_success: float | None
    timeouts: int
    errors: int
    malformed: int


def health(states: Iterable[Health], version: str) -> Iterator[Metric]:
    """Yield the families about the collectors, then those about this process."""
    families = Families("exporter")
    for state in states:
        name = state.collector
        families.gauge(
            "collector_success",
            "1 if the collector gave its series in this scrape.",
            float(state.success),
            collector=name,
        )
        families.gauge(
            "collector_duration_seconds",
            "How long the run took, or has been taking where it hangs.",
            state.seconds,
            collector=name,
        )
        families.gauge(
            "collector_last_success_timestamp_seconds",
            "When the collector last succeeded, UTC.",
            state.last_success,
            collector=name,
        )
        families.counter(
            "collector_timeouts",
            "Scrapes that went without the collector, or a part of its source: it missed the deadline.",
            state.timeouts,
            collector=name,
        )
        families.counter(
            "collector_errors", "Runs of the collector that ended with an error.", state.errors, collector=name
        )
        families.counter(
            "parse_errors",
            "Lines and values that could not be read and were left out.",
            state.malformed,
            collector=name,
        )
    families.gauge("build_info", "Version of the sidecar; always 1.", 1, version=version)
    families.counter("process_cpu_seconds", "CPU time of the sidecar itself.", time.process_time())
    families.gauge("process_resident_memory_bytes", "Resident memory of the sidecar itself.", _resident())
    yield from families


def _resident() -> float | None:
    """Return this process's resident memory in bytes; always of the real /proc, whatever --root says."""
    try:
        return int(read("/proc/self/statm").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return None
