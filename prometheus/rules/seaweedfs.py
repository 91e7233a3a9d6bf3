"""SeaweedFS's S3 gateway. Names from weed/stats/metrics.go (4.48).

A code's series begins with the first such answer, so that no answer of 4xx or 5xx is an error ratio of 0.
"""

from prometheus.rules.base import Group, Record, directed, rate, ratio, times

_ALL = rate("SeaweedFS_s3_request_total")
_FAILED = rate("SeaweedFS_s3_request_total", 'code=~"[45].."')

GROUP = Group(
    "seaweedfs",
    records=(
        Record("service:request_rate", _ALL),
        Record("service:error_ratio", ratio(f"{_FAILED} or 0 * {_ALL}", _ALL)),
        *times("service:latency_seconds", "SeaweedFS_s3_request_seconds"),
        Record("service:running_requests", "sum by ($k) (SeaweedFS_s3_in_flight_requests)"),
        *directed(
            "service:bytes_rate",
            in_=rate("SeaweedFS_s3_bucket_traffic_received_bytes_total"),
            out=rate("SeaweedFS_s3_bucket_traffic_sent_bytes_total"),
        ),
    ),
    service=True,
)
