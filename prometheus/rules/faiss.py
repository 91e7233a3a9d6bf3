"""Our server over Faiss (jobs/services/faiss_server.py). The scrape's own request is among those in flight."""

from prometheus.rules.base import Group, Record, rate, ratio, times

_ENDED = rate("faiss_requests_total", 'operation!="other"')
_FAILED = rate("faiss_requests_total", 'operation!="other",code=~"[45].."')

GROUP = Group(
    "faiss",
    records=(
        Record("service:request_rate", _ENDED),
        Record("service:error_ratio", ratio(f"{_FAILED} or 0 * {_ENDED}", _ENDED)),
        *times("service:latency_seconds", "faiss_search_seconds"),
        Record("service:running_requests", "sum by ($k) (faiss_requests_in_flight)"),
    ),
    service=True,
)
