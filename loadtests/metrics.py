"""The client's own series, for the run's Prometheus: load, latency, lag, phase."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from loadtests.outcome import Outcome

_BUCKETS = tuple(round(10 ** (exponent / 8), 7) for exponent in range(-27, 18))
"""Eight bounds a decade from 0.42 ms to 133 s, each 1.33 times the one before. A quantile that Prometheus reads off
them lies in the right bucket, so it is at most 33 % off, and 15 % where it is taken as the bucket's middle."""
_RECALL = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99, 1.0)


class Now(Collector):
    """What is read at the scrape: the asked rate, and CPU and memory of this process.

    A client that is short of either does not measure the service.
    """

    def __init__(self, shard: str) -> None:
        self._shard = shard
        self.rate_asked: float | Callable[[], float] | None = None

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        if self.rate_asked is not None:  # a closed loop asks for no rate, and 0 would be a lie
            text = "Requests a second that the current open-loop phase asks for."
            rate = self.rate_asked() if callable(self.rate_asked) else self.rate_asked
            yield GaugeMetricFamily("load_rate_asked", text, rate)
        cpu = time.process_time()
        text = "CPU time of the load, in seconds; all its processes together."
        yield CounterMetricFamily("load_process_cpu_seconds", text, cpu)
        text = "CPU time of each load process, in seconds: it has one event loop, so that 1 a second is full."
        family = CounterMetricFamily("load_client_cpu_seconds", text, labels=["shard"])
        family.add_metric([self._shard], cpu)
        yield family
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        memory = "load_process_resident_memory_bytes"
        yield GaugeMetricFamily(memory, "Resident memory of the load.", pages * os.sysconf("SC_PAGE_SIZE"))


class Known:
    """Words that become values of a label: the first `most` as they are, `other` for all that come later.

    A histogram has 46 series for each value; a generator that named each file would drown Prometheus.
    """

    def __init__(self, most: int) -> None:
        self._most, self._words = most, set[str]()

    def word(self, word: str) -> str:
        """Return the label's value."""
        if word not in self._words:
            if len(self._words) >= self._most:
                return "other"
            self._words.add(word)
        return word


class PhaseSeries:
    """The series of one phase. They stand at 0 from the start, so that `rate()` misses none of a short phase.

    Those that only some generators have (tokens, recall) come with the first of their kind.
    """

    def __init__(self, metrics: "Metrics", phase: str) -> None:
        self._metrics, self._phase = metrics, phase
        self._intended = metrics.intended.labels(phase)
        self._sent = metrics.sent.labels(phase)
        self._ended = {ok: metrics.requests.labels(phase, "ok" if ok else "error") for ok in (True, False)}
        self._latency = metrics.latency.labels(phase)
        self._service = metrics.service.labels(phase)
        self._lag = metrics.lag.labels(phase)

    def intend(self) -> None:
        """Count a request whose time has come."""
        self._intended.inc()
        self._metrics.in_flight.inc()

    def leave(self, lag: float) -> None:
        """Count a request that leaves, `lag` seconds after its time."""
        self._sent.inc()
        self._lag.observe(lag)

    def add_up(self, ok: int, failed: int) -> None:
        """Count operations of a tool that keeps no record of each."""
        self._intended.inc(ok + failed)
        self._sent.inc(ok + failed)
        self._ended[True].inc(ok)
        self._ended[False].inc(failed)

    def end(self, intended: float, outcome: Outcome) -> None:
        """Count a request that ended. Latencies are those of good answers; times as in `Outcome`."""
        metrics, phase = self._metrics, self._phase
        metrics.in_flight.dec()
        self._ended[outcome.ok].inc()
        if outcome.error is not None:
            metrics.errors.labels(phase, outcome.error).inc()
        if outcome.ok and outcome.done is not None and outcome.sent is not None:
            self._latency.observe(outcome.done - intended)
            self._service.observe(outcome.done - outcome.sent)
            if outcome.first_token is not None:
                metrics.first_token.labels(phase).observe(outcome.first_token - intended)
        self._contents(outcome)
        self._parts(outcome)

    def _parts(self, outcome: Outcome) -> None:
        """Count which kind of request it was, and the stages that it went through."""
        metrics, phase = self._metrics, self._phase
        if outcome.operation is not None:
            operation = metrics.known_operations.word(outcome.operation)
            metrics.operations.labels(phase, operation, "ok" if outcome.ok else "error").inc()
        if outcome.ok:
            for stage, seconds in outcome.stages.items():
                metrics.stages.labels(phase, metrics.known_stages.word(stage)).observe(seconds)

    def _contents(self, outcome: Outcome) -> None:
        """Count what an answer held."""
        metrics, phase = self._metrics, self._phase
        if outcome.gaps:
            gaps = metrics.gaps.labels(phase)
            for gap in outcome.gaps:
                gaps.observe(gap)
        if outcome.recall is not None:
            metrics.recall.labels(phase).observe(outcome.recall)
        metrics.received.inc(outcome.received)
        for direction, tokens in (("in", outcome.tokens_in), ("out", outcome.tokens_out)):
            if tokens is not None:
                metrics.tokens.labels(direction).inc(tokens)
        if outcome.sent_bytes:
            metrics.sent_bytes.inc(outcome.sent_bytes)
        if outcome.retries:
            metrics.retries.inc(outcome.retries)


class Metrics:
    """All series of one load, in a registry of its own."""

    def __init__(self, phases: Iterable[str], shard: int = 0) -> None:
        self.registry = registry = CollectorRegistry()
        self._now = Now(str(shard))
        registry.register(self._now)

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
        self.lag = histogram("load_client_lag_seconds", "From the intended time to the sending: the client's delay.")
        self.operations = counter(
            "load_operations", "Requests that ended, by kind of request and outcome.", "phase", "operation", "outcome"
        )
        self.stages = Histogram(
            *("load_stage_duration_seconds", "Time in each stage of a request that succeeded.", ["phase", "stage"]),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.known_operations, self.known_stages = Known(20), Known(12)
        self.sent_bytes = counter("load_sent_bytes", "Bytes of requests, where the load is about bytes.")
        self.recall = histogram("load_recall", "Recall against the exact answer, 0 to 1.", _RECALL)
        self.in_flight = gauge("load_requests_in_flight", "Requests whose time has come and that have not ended.")
        self.users = gauge("load_users", "Users of the current closed-loop phase.")
        self.tokens = counter("load_tokens", "Tokens as the server reports them.", "direction")
        self.received = counter("load_received_bytes", "Bytes of answers.")
        self.retries = counter("load_retries", "Requests repeated because a kept connection had been closed.")
        self.loop_lag = gauge(
            "load_event_loop_lag_seconds", "Longest delay of the client's event loop in the last second."
        )
        self.phase = gauge("run_phase", "1 for the phase that the run is in, 0 for the others.", "phase")
        names = tuple(phases)
        self.phases = {name: PhaseSeries(self, name) for name in names}
        self._words = dict.fromkeys(("setup", *names, "drain", "done"))
        self.enter("setup")

    def know(self, phase: str) -> None:
        """Take up a phase that nobody knew of at the start."""
        self.phases[phase] = PhaseSeries(self, phase)
        self._words[phase] = None

    def enter(self, current: str, *, rate: float | Callable[[], float] | None = None, users: int | None = None) -> None:
        """Say which phase it is now, and what it asks for."""
        self._now.rate_asked = rate
        self.users.set(users or 0)
        for name in self._words:
            self.phase.labels(name).set(float(name == current))
