"""Bodies that programs send: protobuf and JSON of every kind of metric, and traces."""

import json
import math

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


def _metrics(kind: str, data: bytes) -> None:
    try:
        message = wire.decode("metrics", kind, data)
    except wire.WireError:
        return
    store = Store(200, 100)
    store.put(message)
    for family in store.families():
        below: dict[str, float] = {}
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                key = repr(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
                assert sample.value >= below.get(key, 0.0)
                below[key] = sample.value
            elif family.type == "counter":
                assert math.isfinite(sample.value)
                assert sample.value >= 0
    assert store.size() <= 200


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
    Case("otlp-traces", [_TRACES], _traces),
]
