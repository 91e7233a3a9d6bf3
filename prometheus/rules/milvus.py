"""Milvus, by its proxies: milliseconds become seconds. Names from pkg/metrics/proxy_metrics.go (2.5).

`milvus_proxy_req_count` counts a request as `total` when it comes, and by its outcome when it ends.
"""

from prometheus.rules.base import Group, Record, rate, ratio, times

_ENDED = rate("milvus_proxy_req_count", 'status!="total"')
_GOOD = rate("milvus_proxy_req_count", 'status="success"')

GROUP = Group(
    "milvus",
    records=(
        Record("service:request_rate", _ENDED),
        Record("service:error_ratio", f"clamp_min(1 - {ratio(f'{_GOOD} or 0 * {_ENDED}', _ENDED)}, 0)"),
        *times("service:latency_seconds", "milvus_proxy_sq_latency", per_second="1e3"),
        Record("service:queue_depth", 'sum by ($k) (milvus_proxy_queue_task_num{task_state="unissued"})'),
        Record("service:running_requests", 'sum by ($k) (milvus_proxy_queue_task_num{task_state="in-progress"})'),
    ),
    service=True,
)
