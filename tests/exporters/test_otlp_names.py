"""OpenTelemetry's names as Prometheus's."""

import pytest

from exporters.otlp_names import labels, metric_name


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("http.server.duration", "s", {}, "http_server_duration_seconds"),
        ("queue_seconds", "s", {}, "queue_seconds"),
        ("seconds.before.start", "s", {}, "seconds_before_start_seconds"),
        ("read.bytes", "By/s", {"gauge": True}, "read_bytes_per_second"),
        ("cache.hit", "1", {"gauge": True}, "cache_hit_ratio"),
        ("cache.hits", "1", {"monotonic": True}, "cache_hits"),
        ("total.requests", "{request}", {"monotonic": True}, "total_requests"),
        ("sent_total", "By", {"monotonic": True}, "sent_bytes"),
        ("9lives", "", {}, "_9lives"),
        ("up", "", {}, "otlp_up"),
        ("", "", {}, "unnamed"),
    ],
)
def test_names(name: str, unit: str, kind: dict[str, bool], expected: str) -> None:
    """A unit is a suffix that is not repeated; the `_total` of counters is written with their samples."""
    assert metric_name(name, unit, **kind) == expected


def test_names_of_labels() -> None:
    """Underscores in a row become one, a digit in front gets a prefix, keys of one name are joined."""
    pairs = [("http.status..code", "200"), ("9", "x"), ("a.b", "1"), ("a_b", "2"), ("__name__", "n")]
    assert labels(pairs) == {"http_status_code": "200", "key_9": "x", "a_b": "1;2", "_name_": "n"}
