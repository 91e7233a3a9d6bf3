"""The series that programs sent, until they are scraped: bounded in number, dropped when they go stale."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client.core import Metric as Family

from exporters.otlp_names import attributes, labels
from exporters.otlp_points import CONFLICT, LATE, MALFORMED, Shape, points, shape
from exporters.otlp_series import Series

STALE_AFTER = 300.0
"""Seconds without a point after which a series is dropped: five of the usual export intervals."""

_LONGEST_LABEL = 1024
CARDINALITY = "cardinality"

Labels = tuple[tuple[str, str], ...]


@dataclass
class _Kept:
    shape: Shape
    series: dict[Labels, tuple[Series, float]] = field(default_factory=dict)
    """By labels: the series and when it was last heard of."""

    lines: int = 0
    """How many lines they take."""


class Store:
    """Holds at most `most` lines of series in all and `each` of one metric. `clock` in seconds."""

    def __init__(self, most: int, each: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._each = each
        self._clock = clock
        self._lock = threading.Lock()
        self._families: dict[str, _Kept] = {}
        self._claimed: dict[str, str] = {}
        self._targets: dict[Labels, float] = {}
        self._lines = 0
        self.points: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def put(self, request: ExportMetricsServiceRequest) -> Counter[str]:
        """Take all points of a request; returns how many were not kept, by reason."""
        with self._lock:
            self._forget()
            before = self.dropped.copy()
            for resource in request.resource_metrics:
                own = self._target(resource.resource)
                for scope in resource.scope_metrics:
                    named = {"otel_scope_name": scope.scope.name, "otel_scope_version": scope.scope.version}
                    labelled = {**own, **{label: text for label, text in named.items() if text}}
                    for metric in scope.metrics:
                        self._metric(metric, labelled)
            lost = self.dropped - before
            del lost[LATE]  # nothing is lost: a newer value is there already, or the very same
            return lost

    def families(self) -> list[Family]:
        """Return all that is held."""
        with self._lock:
            self._forget()
            found = [_family(kept) for kept in self._families.values()]
            if self._targets:
                info = Family(
                    "otlp_target_info", "The programs that sent metrics, by their resource's attributes.", "gauge"
                )
                for target in self._targets:
                    info.add_sample("otlp_target_info", dict(target), 1.0)
                found.append(info)
            return found

    def size(self) -> int:
        """Return how many lines the series take."""
        with self._lock:
            return self._lines

    def _target(self, resource: Resource) -> dict[str, str]:
        """Return the labels of the program; what else is known of it goes into otlp_target_info."""
        pairs = dict(attributes(resource.attributes))
        name = pairs.get("service.name", "")
        # Two programs that cannot be told apart would be one series: then what they say of themselves is hashed.
        digest = hashlib.sha256(repr(sorted(pairs.items())).encode()).hexdigest()[:8]
        instance = pairs.get("service.instance.id") or digest
        own = {"service_name": name, "service_instance_id": instance}
        info = {**labels((key, value[:_LONGEST_LABEL]) for key, value in pairs.items()), **own}
        key = tuple(sorted(info.items()))
        if key in self._targets or len(self._targets) < self._each:
            self._targets[key] = self._clock()
        return own

    def _metric(self, metric: Metric, own: Mapping[str, str]) -> None:
        family = shape(metric)
        if family is None:
            self.dropped[MALFORMED] += 1
            return
        kept = self._families.get(family.name)
        fits = kept is not None and (kept.shape.type, kept.shape.data) == (family.type, family.data)
        free = kept is None and not any(name in self._claimed for name in family.claims)
        for take in points(metric):
            self.points[family.data] += 1
            if not (fits or free):
                self.dropped[CONFLICT] += 1
                continue
            pairs = labels(attributes(take.point.attributes))
            key = tuple(sorted({**{f"attribute_{k}" if k in own else k: v for k, v in pairs.items()}, **own}.items()))
            if kept is None:
                kept = self._families[family.name] = _Kept(family)
                self._claimed.update(dict.fromkeys(family.claims, family.name))
            if take.stale:
                self._remove(kept, key)
                continue
            held = kept.series.get(key)
            series = take.create() if held is None else held[0]
            lines = 0 if held is None else series.lines()
            if held is None and not self._room(kept, key, series):
                self.dropped[CARDINALITY] += 1
                continue
            why = take.put(series)
            if why is None:
                kept.series[key] = (series, self._clock())
                self._grow(kept, series.lines() - lines)
            else:
                self.dropped[why] += 1

    def _room(self, kept: _Kept, key: Labels, series: Series) -> bool:
        if any(len(value) > _LONGEST_LABEL for _, value in key):
            return False
        return kept.lines + series.lines() <= self._each and self._lines + series.lines() <= self._most

    def _grow(self, kept: _Kept, lines: int) -> None:
        kept.lines += lines
        self._lines += lines

    def _remove(self, kept: _Kept, key: Labels) -> None:
        held = kept.series.pop(key, None)
        if held is not None:
            self._grow(kept, -held[0].lines())

    def _forget(self) -> None:
        before = self._clock() - STALE_AFTER
        for name, kept in list(self._families.items()):
            for key, (_, heard) in list(kept.series.items()):
                if heard < before:
                    self._remove(kept, key)
            if not kept.series:
                del self._families[name]
                for claim in kept.shape.claims:
                    self._claimed.pop(claim, None)
        self._targets = {key: heard for key, heard in self._targets.items() if heard >= before}


def _family(kept: _Kept) -> Family:
    family = Family(kept.shape.name, kept.shape.help, kept.shape.type)
    for key, (series, _) in kept.series.items():
        for suffix, more, value in series.samples():
            family.add_sample(kept.shape.name + suffix, {**dict(key), **more}, value)
    return family
