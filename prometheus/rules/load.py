"""The client's own side: what it asked, sent and got (loadtests/metrics.py)."""

from prometheus.rules.base import Alert, Group, Record, directed, rate, ratio, times

_ENDED = rate("load_requests_total")
_ERRORS = ratio(rate("load_requests_total", 'outcome="error"'), _ENDED)
_LAG = {record.name: record for record in times("load:lag_seconds", "load_client_lag_seconds")}

GROUP = Group(
    "load",
    records=(
        Record("load:request_rate", _ENDED),
        Record("load:rate_asked", "sum by ($k) (load_rate_asked)"),
        Record("load:error_ratio", _ERRORS),
        *times("load:latency_seconds", "load_request_duration_seconds"),
        *times("load:ttft_seconds", "load_time_to_first_token_seconds"),
        _LAG["load:lag_seconds:p99"],
        Record("load:in_flight", "sum by ($k) (load_requests_in_flight)"),
        *directed(
            "load:tokens_rate",
            in_=rate("load_tokens_total", 'direction="in"'),
            out=rate("load_tokens_total", 'direction="out"'),
        ),
    ),
    alerts=(
        Alert(
            "LoadErrorsHigh",
            f"{_ERRORS} > 0.05",
            5,
            "warning",
            "{{ $value | humanizePercentage }} of the load's requests fail",
            "Look at the kinds of errors (load_errors_total) and at the service's log; lower the load if it is full.",
            unit="ratio",
        ),
        Alert(
            "ClientSaturated",
            "max by ($k) (rate(load_client_cpu_seconds_total[$w])) > 0.9",
            5,
            "warning",
            "a load process on {{ $labels.node }} uses {{ $value | humanize }} of its one core: it measures itself",
            "Set load.processes, or run the load on a node of its own.",
            unit="cores",
        ),
        Alert(
            "ClientLate",
            "load:lag_seconds:p99 > 0.1",
            5,
            "warning",
            "requests leave late: p99 of the client's lag on {{ $labels.node }} is {{ $value | humanizeDuration }}",
            "The client's node is too busy: give the load cores or a node of its own.",
            unit="s",
        ),
    ),
)
