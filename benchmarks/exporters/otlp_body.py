"""What an instrumented program sends: counters and histograms of OpenTelemetry's HTTP conventions, some 50 series."""

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_START = 1_764_000_000 * 10**9
_ROUTES = 10


def otlp_body(number: int) -> bytes:
    """Return the export `number` (0 and up) of a program; values and times grow with it."""
    metrics = [_histogram("http.server.request.duration", number), *(_sum(f"app.work.{i}", number) for i in range(4))]
    resource = Resource(attributes=[_pair("service.name", "bench"), _pair("service.instance.id", "1")])
    whole = ResourceMetrics(resource=resource, scope_metrics=[ScopeMetrics(metrics=metrics)])
    body: bytes = ExportMetricsServiceRequest(resource_metrics=[whole]).SerializeToString()
    return body


def _pair(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _route(route: int) -> list[KeyValue]:
    return [_pair("http.route", f"/v1/route{route}"), _pair("http.request.method", "POST")]


def _histogram(name: str, number: int) -> Metric:
    counts = [(number + 1) * (index + 1) for index in range(len(_BOUNDS) + 1)]
    points = [
        HistogramDataPoint(
            attributes=_route(route),
            start_time_unix_nano=_START,
            time_unix_nano=_START + (number + 1) * 10**9,
            count=sum(counts),
            sum=sum(counts) * 0.125,
            bucket_counts=counts,
            explicit_bounds=_BOUNDS,
        )
        for route in range(_ROUTES)
    ]
    told = Histogram(data_points=points, aggregation_temporality=AGGREGATION_TEMPORALITY_CUMULATIVE)
    return Metric(name=name, unit="s", histogram=told)


def _sum(name: str, number: int) -> Metric:
    points = [
        NumberDataPoint(
            attributes=_route(route),
            start_time_unix_nano=_START,
            time_unix_nano=_START + (number + 1) * 10**9,
            as_int=(number + 1) * (route + 1),
        )
        for route in range(_ROUTES)
    ]
    told = Sum(data_points=points, aggregation_temporality=AGGREGATION_TEMPORALITY_CUMULATIVE, is_monotonic=True)
    return Metric(name=name, sum=told)
