"""The client's own series, for the run's Prometheus: load, latency, lag, phase."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from loadtests.outcome import Outcome

_BUCKETS = tuple(round(10 ** (exponent / 8), 7) for exponent in range(-27, 18))
"""Eight bounds a decade from 0.4 ms to 133 s: a quantile read off them is within 15 % of its value."""
_RECALL = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99, 1.0)


class _Self(Collector):
    """CPU and memory of this process: a client that is short of either does not measure the service."""

    def collect(self) -> Iterable[Metric]:
        """Read them at the scrape."""
        cpu = CounterMetricFamily("load_process_cpu_seconds", "CPU time of the load process, in seconds.")
        cpu.add_metric([], time.process_time())
        yield cpu
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        memory = "load_process_resident_memory_bytes"
        yield GaugeMetricFamily(memory, "Resident memory of the load process.", pages * os.sysconf("SC_PAGE_SIZE"))


class Metrics:
    """All series of one load, in a registry of its own."""

    def __init__(self, phases: Iterable[str]) -> None:
        self.registry = registry = CollectorRegistry()
        registry.register(_Self())

        def histogram(name: str, text: str, buckets: tuple[float, ...] = _BUCKETS) -> Histogram:
            return Histogram(name, text, ["phase"], buckets=buckets, registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        self.intended = counter("load_requests_intended", "Requests that the schedule called for.", "phase")
        self.sent = counter("load_requests_sent", "Requests that left.", "phase")
        self.requests = counter("load_requests", "Requests that ended, by outcome (ok, error).", "phase", "outcome")
        self.errors = counter("load_errors", "Failed requests by kind.", "phase", "kind")
        self.latency = histogram("load_request_duration_seconds", "From the intended time to the end of the answer.")
        self.service = histogram("load_service_duration_seconds", "From the sending to the end of the answer.")
        self.first_token = histogram("load_time_to_first_token_seconds", "From the intended time to the first content.")
        self.gaps = histogram("load_inter_token_seconds", "Between two pieces of content of one answer.")
        self.lag = histogram(
            "load_client_lag_seconds", "From the intended time to the sending: the client's own delay."
        )
        self.recall = histogram("load_recall_ratio", "Recall against the exact answer.", _RECALL)
        self.in_flight = gauge("load_requests_in_flight", "Requests sent and not answered yet.")
        self.rate_asked = gauge("load_rate_asked", "Requests a second that the current open-loop phase asks for.")
        self.users = gauge("load_users", "Users of the current closed-loop phase.")
        self.tokens = counter("load_tokens", "Tokens as the server reports them.", "direction")
        self.received = counter("load_received_bytes", "Bytes of answers.")
        self.retries = counter("load_retries", "Requests repeated because a kept connection had been closed.")
        self.loop_lag = gauge("load_event_loop_lag_seconds", "Longest delay of the client's event loop of late.")
        self.phase = gauge("run_phase", "1 for the phase that the run is in, 0 for the others.", "phase")
        self._phases = ("setup", *phases, "drain", "done")
        self.enter("setup")

    def enter(self, current: str) -> None:
        """Say which phase it is now."""
        for name in self._phases:
            self.phase.labels(name).set(float(name == current))

    def observe(self, phase: str, intended: float, outcome: Outcome) -> None:
        """Count one request that ended. Times in seconds of the loop's clock."""
        self.requests.labels(phase, "ok" if outcome.ok else "error").inc()
        if outcome.error is not None:
            self.errors.labels(phase, outcome.error).inc()
        if outcome.ok and outcome.done is not None and outcome.sent is not None:
            self.latency.labels(phase).observe(outcome.done - intended)
            self.service.labels(phase).observe(outcome.done - outcome.sent)
            if outcome.first_token is not None:
                self.first_token.labels(phase).observe(outcome.first_token - intended)
        gaps = self.gaps.labels(phase)
        for gap in outcome.gaps:
            gaps.observe(gap)
        if outcome.recall is not None:
            self.recall.labels(phase).observe(outcome.recall)
        self.received.inc(outcome.received)
        for direction, tokens in (("in", outcome.tokens_in), ("out", outcome.tokens_out)):
            if tokens is not None:
                self.tokens.labels(direction).inc(tokens)
        if outcome.retries:
            self.retries.inc(outcome.retries)
