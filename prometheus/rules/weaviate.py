"""Weaviate (PROMETHEUS_MONITORING_ENABLED). Names without a prefix, so told from others' by their labels; milliseconds.

Names from its usecases/monitoring/prometheus.go.
"""

from prometheus.rules.base import Group, Record, rate, ratio, times

_OURS = 'query_type!="",class_name!=""'
_ENDED = rate("requests_total", f'api!="",{_OURS}')
_FAILED = rate("requests_total", f'api!="",{_OURS},status=~".*error"')

GROUP = Group(
    "weaviate",
    records=(
        Record("service:request_rate", _ENDED),
        Record("service:error_ratio", ratio(f"{_FAILED} or 0 * {_ENDED}", _ENDED)),
        *times("service:latency_seconds", "queries_durations_ms", where=_OURS, per_second="1e3"),
        Record("service:running_requests", f"sum by ($k) (concurrent_queries_count{{{_OURS}}})"),
    ),
    service=True,
)
