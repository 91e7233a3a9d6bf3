"""Of what each process tells, the whole."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from loadtests.histogram import Histogram
from loadtests.progress import Progress, Span
from loadtests.window import quantile

_LARGEST = {"load_event_loop_lag_seconds"}
_OF_THE_FIRST = {"run_phase", "load_rate_asked"}
"""Gauges that are the same in all processes; all other series are sums."""

Family = tuple[str, str, str, Sequence[tuple[str, Mapping[str, str], float]]]


def families(registry: CollectorRegistry) -> list[Family]:
    """Return all series of a registry in plain words: name, text, type, samples."""
    return [
        (metric.name, metric.documentation, metric.type, [(s.name, s.labels, s.value) for s in metric.samples])
        for metric in registry.collect()
    ]


class Merged(Collector):
    """The series of all processes added up; those of one that died stay what they were."""

    def __init__(self) -> None:
        self._pages: dict[int, Sequence[Family]] = {}

    def take(self, shard: int, page: Sequence[Family]) -> None:
        """Take what a process tells of its series."""
        self._pages[shard] = page

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        merged: dict[str, Metric] = {}
        values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for _shard, page in sorted(self._pages.items()):
            for name, text, kind, samples in page:
                merged.setdefault(name, Metric(name, text, kind))
                known = values.setdefault(name, {})
                for sample, labels, value in samples:
                    key = (sample, tuple(labels.items()))
                    known[key] = _joined(name, known[key], value) if key in known else value
        for name, metric in merged.items():
            for (sample, pairs), value in values[name].items():
                metric.add_sample(sample, dict(pairs), value)
            yield metric


def _joined(name: str, before: float, value: float) -> float:
    if name in _OF_THE_FIRST:
        return before
    return max(before, value) if name in _LARGEST else before + value


def spans(parts: Sequence[Sequence[Span]], lags: Sequence[Sequence[Histogram]] = ()) -> list[Span]:
    """Return the phases of the whole load; `lags` are the client lags of each process and phase, where they are known.

    Counts are sums; CPU and loop lag those of the process that had the most.
    """
    whole = []
    for index in range(max(map(len, parts), default=0)):
        own = [part[index] for part in parts if index < len(part)]
        told = Histogram()
        for histograms in lags:
            if index < len(histograms):
                told.merge(histograms[index].counts(), histograms[index].longest)
        stops = {span.stopped for span in own}
        known = [span.scheduled for span in own if span.scheduled is not None]
        busiest = max(own, key=lambda span: (span.cpu_seconds or 0.0) + (span.cpu_waited_seconds or 0.0))
        change: dict[str, Any] = {
            "started": min(span.started for span in own),
            "ended": max(span.ended for span in own),
            "stopped": None if None in stops else "interrupted" if "interrupted" in stops else own[0].stopped,
            "scheduled": max(known, default=None),
            **{name: sum(getattr(span, name) for span in own) for name in ("intended", "sent", "ok", "failed")},
            "lag_p50": told.quantile(0.5),
            "lag_p99": told.quantile(0.99),
            "lag_max": told.longest if told.total else None,
            "cpu_seconds": busiest.cpu_seconds,
            "cpu_waited_seconds": busiest.cpu_waited_seconds,
            "cpu_share": busiest.cpu_share,
            "loop_lag_max": max((span.loop_lag_max or 0.0 for span in own), default=None),
        }
        whole.append(own[0].model_copy(update=change))
    return whole


def progress(parts: Sequence[Progress], latencies: Sequence[Sequence[tuple[int, int]]]) -> Progress:
    """Return how far the whole load is; `latencies` are the recent ones of each process (`Window.digest`)."""
    errors: Counter[str] = Counter()
    for part in parts:
        errors.update(part.errors)
    furthest = max(parts, key=lambda part: len(part.phases))
    names = ("intended", "sent", "done", "ok", "failed", "in_flight")
    return furthest.model_copy(
        update={
            **{name: sum(getattr(part, name) for part in parts) for name in names},
            "started": min((part.started for part in parts if part.started), default=None),
            "ends_at": max((part.ends_at for part in parts if part.ends_at), default=None),
            "rate_intended": sum(part.rate_intended or 0.0 for part in parts),
            "rate_done": sum(part.rate_done or 0.0 for part in parts),
            "p50_latency": quantile(latencies, 0.5),
            "p99_latency": quantile(latencies, 0.99),
            "errors": dict(errors.most_common(3)),
            "phases": spans([part.phases for part in parts]),
        }
    )
