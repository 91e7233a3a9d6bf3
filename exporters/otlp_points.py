"""OTLP's metrics as points of series: what kind of series a metric makes, and its points by their labels."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from exporters.otlp_names import metric_name
from exporters.otlp_series import Exponential, Histogram, Latest, Number, Series, Summary

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint

_NO_VALUE = 1
"""DataPointFlags: the series has no value any more."""

_DELTA, _CUMULATIVE = 1, 2
_MOST_BOUNDS = 500
_LARGEST_EXPONENT = 1100

MALFORMED, LATE, CONFLICT = "malformed", "late", "conflict"


@dataclass(frozen=True)
class Shape:
    """A family: its name, its Prometheus type, the OTLP type that its points are counted under."""

    name: str
    type: str
    data: str
    help: str

    @property
    def claims(self) -> frozenset[str]:
        """The names that its samples have."""
        if self.type == "counter":
            return frozenset({f"{self.name}_total"})
        if self.type == "gauge":
            return frozenset({self.name})
        return frozenset({self.name, *(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))})


@dataclass(frozen=True)
class Take:
    """How one point goes into its series; `put` returns why it was dropped, if it was. `stale`: the series ends."""

    point: Point
    create: Callable[[], Series]
    put: Callable[[Series], str | None]
    stale: bool = False


def shape(metric: Metric) -> Shape | None:
    """Return the family of a metric; None where it has no data that we know."""
    data = metric.WhichOneof("data")
    if data is None:
        return None
    monotonic = data == "sum" and metric.sum.is_monotonic
    kinds = {"gauge": "gauge", "sum": "counter" if monotonic else "gauge", "summary": "summary"}
    kind = kinds.get(data, "histogram")
    name = metric_name(metric.name, metric.unit, monotonic=monotonic, gauge=kind == "gauge")
    return Shape(name, kind, data, metric.description.strip().replace("\n", " ")[:500] or metric.name)


def points(metric: Metric) -> Iterator[Take]:
    """Yield the points of a metric."""
    data = metric.WhichOneof("data")
    if data == "gauge":
        yield from map(_gauge, metric.gauge.data_points)
    elif data == "sum":
        temporality, monotonic = metric.sum.aggregation_temporality, metric.sum.is_monotonic
        latest = temporality == _CUMULATIVE and not monotonic
        for point in metric.sum.data_points:
            yield _gauge(point) if latest else _sum(point, temporality, monotonic)
    elif data == "histogram":
        for histogram in metric.histogram.data_points:
            yield _histogram(histogram, metric.histogram.aggregation_temporality)
    elif data == "exponential_histogram":
        for exponential in metric.exponential_histogram.data_points:
            yield _exponential(exponential, metric.exponential_histogram.aggregation_temporality)
    elif data == "summary":
        yield from map(_summary, metric.summary.data_points)


def _number(point: NumberDataPoint) -> float | None:
    match point.WhichOneof("value"):
        case "as_double":
            return float(point.as_double)
        case "as_int":
            return float(point.as_int)
    return None


def _stale(point: Point) -> bool:
    return bool(point.flags & _NO_VALUE)


def _gauge(point: NumberDataPoint) -> Take:
    def put(series: Series) -> str | None:
        value = _number(point)
        if value is None or not isinstance(series, Latest):
            return MALFORMED if value is None else CONFLICT
        return None if series.put(point.time_unix_nano, value) else LATE

    return Take(point, Latest, put, _stale(point))


def _sum(point: NumberDataPoint, temporality: int, monotonic: bool) -> Take:
    def put(series: Series) -> str | None:
        value = _number(point)
        if value is None or not math.isfinite(value) or (monotonic and value < 0):
            return MALFORMED
        if not isinstance(series, Number):
            return CONFLICT
        return _count(series, temporality, point, {"": value})

    return Take(point, lambda: Number("_total" if monotonic else ""), put, _stale(point))


def _count(
    series: Number | Histogram | Exponential,
    temporality: int,
    point: NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint,
    parts: Mapping[object, float],
) -> str | None:
    if temporality not in {_DELTA, _CUMULATIVE}:
        return MALFORMED
    take = series.total.delta if temporality == _DELTA else series.total.cumulative
    return None if take(point.start_time_unix_nano, point.time_unix_nano, parts) else LATE


def _histogram(point: HistogramDataPoint, temporality: int) -> Take:
    bounds, counts = tuple(point.explicit_bounds), tuple(point.bucket_counts)
    rising = all(math.isfinite(bound) for bound in bounds) and tuple(sorted(set(bounds))) == bounds
    # Without buckets there may still be a count and a sum.
    fits = len(counts) == len(bounds) + 1 or not (counts or bounds)

    def put(series: Series) -> str | None:
        if not (rising and fits) or len(bounds) > _MOST_BOUNDS or (counts and sum(counts) != point.count):
            return MALFORMED
        if not isinstance(series, Histogram) or series.bounds != bounds:
            return CONFLICT
        total = point.sum if math.isfinite(point.sum) else 0.0
        return _count(series, temporality, point, series.parts(point.count, total, counts))

    return Take(point, lambda: Histogram(bounds, with_sum=point.HasField("sum")), put, _stale(point))


def _exponential(point: ExponentialHistogramDataPoint, temporality: int) -> Take:
    positive = {point.positive.offset + i: n for i, n in enumerate(point.positive.bucket_counts) if n}
    negative = {point.negative.offset + i: n for i, n in enumerate(point.negative.bucket_counts) if n}

    def put(series: Series) -> str | None:
        counted = sum(positive.values()) + sum(negative.values()) + point.zero_count
        widest = max((abs(index) for index in (*positive, *negative)), default=0) * 2.0 ** -max(
            -20, min(20, point.scale)
        )
        if counted != point.count or widest > _LARGEST_EXPONENT:
            return MALFORMED
        if not isinstance(series, Exponential):
            return CONFLICT
        total = point.sum if math.isfinite(point.sum) else 0.0
        parts = series.parts(point.scale, (point.count, total, point.zero_count), positive, negative)
        return MALFORMED if parts is None else _count(series, temporality, point, parts)

    return Take(point, lambda: Exponential(with_sum=point.HasField("sum")), put, _stale(point))


def _summary(point: SummaryDataPoint) -> Take:
    quantiles = {quantile.quantile: quantile.value for quantile in point.quantile_values}

    def put(series: Series) -> str | None:
        if len(quantiles) > _MOST_BOUNDS or not all(0 <= share <= 1 for share in quantiles):
            return MALFORMED
        if not isinstance(series, Summary) or len(quantiles) > series.most:
            return CONFLICT
        return None if series.put(point.time_unix_nano, point.count, point.sum, list(quantiles.items())) else LATE

    return Take(point, lambda: Summary(len(quantiles)), put, _stale(point))
