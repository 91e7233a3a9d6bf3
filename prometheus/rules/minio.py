"""MinIO's S3 API. Names from its docs/metrics/v3.md; it tells no latency, only the time to the first byte."""

from prometheus.rules.base import Group, Record, directed, rate, ratio

_ALL = rate("minio_api_requests_total", 'type="s3"')
_FAILED = rate("minio_api_requests_errors_total", 'type="s3"')

GROUP = Group(
    "minio",
    records=(
        Record("service:request_rate", _ALL),
        # A call's series of errors begins with the first of them.
        Record("service:error_ratio", ratio(f"{_FAILED} or 0 * {_ALL}", _ALL)),
        Record("service:queue_depth", "sum by ($k) (minio_api_requests_waiting_total)"),
        Record("service:running_requests", "sum by ($k) (minio_api_requests_inflight_total)"),
        *directed(
            "service:bytes_rate",
            in_=rate("minio_api_requests_traffic_received_bytes", 'type="s3"'),
            out=rate("minio_api_requests_traffic_sent_bytes", 'type="s3"'),
        ),
    ),
    service=True,
)
