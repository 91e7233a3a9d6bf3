"""Qdrant, REST and gRPC. Names from its src/common/metrics.rs; gRPC's `status` is its numeric code, 0 for OK."""

from prometheus.rules.base import Group, Record, ratio, times

_ENDED = "sum by ($k) (rate(rest_responses_total[$w]) or rate(grpc_responses_total[$w]))"
_FAILED = (
    'sum by ($k) (rate(rest_responses_total{status=~"[45].."}[$w]) '
    'or rate(grpc_responses_total{status=~"[1-9].*"}[$w]))'
)

GROUP = Group(
    "qdrant",
    records=(
        Record("service:request_rate", _ENDED),
        Record("service:error_ratio", ratio(f"{_FAILED} or 0 * {_ENDED}", _ENDED)),
        # By gRPC where that is used alone; buckets of both are the same, but a client uses one of them.
        *times("service:latency_seconds", "rest_responses_duration_seconds", "grpc_responses_duration_seconds"),
    ),
    service=True,
)
