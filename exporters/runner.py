"""Runs collectors beside one another: one that fails or hangs costs its own series and nothing else."""

import os
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from exporters.collector import Collector, Context


class _Worker:
    """A thread that works for one collector. While it hangs, no other is started for it."""

    def __init__(self, name: str, collector: Collector) -> None:
        self.name = name
        self._collector = collector
        self._asked: queue.SimpleQueue[queue.SimpleQueue[list[Metric] | Exception]] = queue.SimpleQueue()
        self._busy = False
        self._told: set[str] = set()
        self.seconds = 0.0
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def ask(self) -> "queue.SimpleQueue[list[Metric] | Exception] | None":
        """Have one collection made; None while an earlier one hangs."""
        if self._busy:
            return None
        self._busy = True
        answer: queue.SimpleQueue[list[Metric] | Exception] = queue.SimpleQueue()
        self._asked.put(answer)
        return answer

    def _work(self) -> None:
        while True:
            answer = self._asked.get()
            begin = time.perf_counter()
            result: list[Metric] | Exception
            try:
                result = list(self._collector.collect())
            except Exception as error:  # noqa: BLE001 - whatever a collector meets, the others go on
                result = error
                self._tell(error)
            self.seconds = time.perf_counter() - begin
            self._busy = False
            answer.put(result)

    def _tell(self, error: Exception) -> None:
        """Say each kind of failure once, not at every scrape."""
        text = f"collector {self.name}: {type(error).__name__}: {error}"
        if text not in self._told and len(self._told) < 100:
            self._told.add(text)
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - the sidecar's log


class Runner:
    """Scrapes all collectors within `timeout` seconds."""

    def __init__(self, collectors: Mapping[str, Collector], context: Context, timeout: float, version: str) -> None:
        self._workers = [_Worker(name, collector) for name, collector in collectors.items()]
        self._parse_errors = context.errors
        self._timeout = timeout
        self._version = version
        self._timeouts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._last_success: dict[str, float] = {}
        self._lock = threading.Lock()

    def scrape(self) -> tuple[bytes, list[str]]:
        """Return one exposition (text format 0.0.4) and the names of the collectors that failed."""
        with self._lock:  # two scrapes at once would take each other's answers
            families, failed = self._gather()
            families.extend(self._health(failed))
        registry = CollectorRegistry()
        registry.register(_Fixed(families))
        return generate_latest(registry), failed

    def _gather(self) -> tuple[list[Metric], list[str]]:
        deadline = time.monotonic() + self._timeout
        families: list[Metric] = []
        failed: list[str] = []
        for worker, answer in [(worker, worker.ask()) for worker in self._workers]:
            try:
                result = answer.get(timeout=max(0.0, deadline - time.monotonic())) if answer else None
            except queue.Empty:
                result = None
            if isinstance(result, list):
                families.extend(result)
                self._last_success[worker.name] = time.time()
                continue
            failed.append(worker.name)
            (self._timeouts if result is None else self._failures)[worker.name] += 1
        return families, failed

    def _health(self, failed: list[str]) -> Iterator[Metric]:
        label = ["collector"]
        success = GaugeMetricFamily(
            "exporter_collector_success", "1 if the collector's last run succeeded.", labels=label
        )
        seconds = GaugeMetricFamily(
            "exporter_collector_duration_seconds", "How long the collector's last whole run took.", labels=label
        )
        last = GaugeMetricFamily(
            "exporter_collector_last_success_timestamp_seconds", "When the collector last succeeded.", labels=label
        )
        timeouts = CounterMetricFamily(
            "exporter_collector_timeouts", "Runs that did not end within the deadline.", labels=label
        )
        failures = CounterMetricFamily("exporter_collector_failures", "Runs that ended with an error.", labels=label)
        parse = CounterMetricFamily("exporter_parse_errors", "Lines that could not be read.", labels=label)
        for worker in self._workers:
            name = [worker.name]
            success.add_metric(name, float(worker.name not in failed))
            seconds.add_metric(name, worker.seconds)
            timeouts.add_metric(name, self._timeouts[worker.name])
            failures.add_metric(name, self._failures[worker.name])
            parse.add_metric(name, self._parse_errors[worker.name])
            if worker.name in self._last_success:
                last.add_metric(name, self._last_success[worker.name])
        yield from (success, seconds, last, timeouts, failures, parse)
        yield CounterMetricFamily(
            "exporter_process_cpu_seconds", "CPU time of the sidecar itself.", value=time.process_time()
        )
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        yield GaugeMetricFamily(
            "exporter_process_resident_memory_bytes",
            "Resident memory of the sidecar itself.",
            value=pages * os.sysconf("SC_PAGE_SIZE"),
        )
        info = GaugeMetricFamily("exporter_build_info", "Version of the sidecar.", labels=["version"])
        info.add_metric([self._version], 1)
        yield info


class _Fixed:
    """Families that are there already, in the form that prometheus_client writes out."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Return them."""
        return self._families
