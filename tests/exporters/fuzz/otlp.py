"""Bodies that programs send: protobuf and JSON of every kind of metric, and traces."""

import contextlib
import copy
import gzip
import json
import math
import random
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.core import Metric as Family

from exporters import otlp_wire as wire
from exporters.otlp_store import Store
from tests.exporters.fuzz import Case

_POINT = {"startTimeUnixNano": "1", "timeUnixNano": "9", "attributes": [{"key": "a", "value": {"stringValue": "b"}}]}
_BUCKETS = {"count": "3", "sum": 4.5}
_METRICS = [
    {"name": "g", "unit": "By", "gauge": {"dataPoints": [{**_POINT, "asDouble": 1.5}]}},
    {"name": "s", "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [{**_POINT, "asInt": "5"}]}},
    {
        "name": "h",
        "histogram": {
            "aggregationTemporality": 2,
            "dataPoints": [{**_POINT, **_BUCKETS, "explicitBounds": [1, 2], "bucketCounts": ["1", "0", "2"]}],
        },
    },
    {
        "name": "e",
        "exponentialHistogram": {
            "aggregationTemporality": 1,
            "dataPoints": [
                {
                    **_POINT,
                    **_BUCKETS,
                    "scale": 2,
                    "zeroCount": "1",
                    "positive": {"offset": -3, "bucketCounts": ["1", "0", "1"]},
                }
            ],
        },
    },
    {
        "name": "q",
        "summary": {"dataPoints": [{**_POINT, **_BUCKETS, "quantileValues": [{"quantile": 0.5, "value": 1}]}]},
    },
]
_REQUEST = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": _METRICS}]}]}).encode()
_SPAN = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "x", "kind": 2}
_TRACES = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [_SPAN]}]}]}).encode()


_VALUES: list[object] = [0, 1, -1, 2**63, "7", "-1", "NaN", "Infinity", 1e308, 1e-308, "", None, True, [], {}]
_VALUES += [[0.5, 1, 2], [1, 2, 3], ["1"] * 600, 20, -20, 1000, "x" * 2000, {"stringValue": "b"}]


def _metrics(kind: str, data: bytes) -> None:
    try:
        message = wire.decode("metrics", kind, data)
    except wire.WireError:
        return
    _kept(message)


def _kept(*messages: Message) -> None:
    """Fail where a store tells nonsense of requests, or less than it told before."""
    store = Store(200, 100)
    before: dict[tuple[str, str], float] = {}
    for message in messages:
        assert isinstance(message, ExportMetricsServiceRequest)
        lost = store.put(message).total()
        assert 0 <= lost <= _points(message)
        families = store.families()
        for family in families:
            before |= _told(family, before)
        held = sum(len(family.samples) for family in families if family.name != "otlp_target_info")
        assert held <= store.size() <= 200


def _points(message: ExportMetricsServiceRequest) -> int:
    """Return how many points there are at most: a metric without data counts as one that is not kept."""
    metrics = [metric for one in message.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
    kinds = [(metric, metric.WhichOneof("data")) for metric in metrics]
    return sum(len(getattr(metric, kind).data_points) if kind else 1 for metric, kind in kinds)


def _told(family: Family, before: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Return the family's counters; fail where one is none, or fell."""
    below: dict[str, float] = {}
    counters: dict[tuple[str, str], float] = {}
    for sample in family.samples:
        labels = repr(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
        if sample.name.endswith("_bucket"):
            assert sample.value >= below.get(labels, 0.0)
            below[labels] = sample.value
        if family.type == "counter" or (family.type == "histogram" and not sample.name.endswith("_sum")):
            key = sample.name, repr(sorted(sample.labels.items()))
            assert math.isfinite(sample.value)
            # Where buckets are merged their bounds go, and with them their lines; those that stay do not fall.
            assert sample.value >= before.get(key, 0.0)
            counters[key] = sample.value
    return counters


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield all places in a tree, as what holds them and the key there."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(pairs):
        yield tree, key
        yield from _places(value)


def _values(data: bytes) -> None:
    """Put odd values into a request that is whole otherwise, and send it after that request."""
    chance = random.Random(data)
    tree = json.loads(_REQUEST)
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(list(_places(tree)))
        holder[key] = copy.deepcopy(chance.choice(_VALUES))
    try:
        message = wire.decode("metrics", wire.JSON, json.dumps(tree).encode())
    except wire.WireError:
        return
    _kept(wire.decode("metrics", wire.JSON, _REQUEST), message)


def _inflated(data: bytes) -> None:
    with contextlib.suppress(wire.WireError):
        assert len(wire.inflate(data, "gzip")) <= wire.INFLATED_BYTES


def _traces(data: bytes) -> None:
    try:
        line = wire.as_json(wire.decode("traces", wire.JSON, data))
    except wire.WireError:
        return
    assert "\n" not in line
    json.loads(line)


CASES = [
    Case("otlp-json", [_REQUEST], lambda data: _metrics(wire.JSON, data)),
    Case(
        "otlp-protobuf",
        [wire.decode("metrics", wire.JSON, _REQUEST).SerializeToString()],
        lambda data: _metrics(wire.PROTOBUF, data),
    ),
    Case("otlp-values", [b"0123456789"], _values),
    Case("otlp-gzip", [gzip.compress(_REQUEST, mtime=0), gzip.compress(b"x", mtime=0) * 2], _inflated),
    Case("otlp-traces", [_TRACES], _traces),
]
