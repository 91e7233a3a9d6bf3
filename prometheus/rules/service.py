"""Alerts about any service, by the series that all kinds have alike."""

from prometheus.rules.base import Alert, Group

GROUP = Group(
    "service-alerts",
    alerts=(
        Alert(
            "QueueGrowing",
            "service:queue_depth > 4 and on (run_id, job, node) (deriv(service:queue_depth[$q]) > 0.1)",
            10,
            "warning",
            "the queue of {{ $labels.job }} on {{ $labels.node }} grows, {{ $value | humanize }} requests wait",
            "More comes in than it can do: latencies now depend on how long the phase is. Lower the rate.",
        ),
        Alert(
            "ServiceErrorsHigh",
            "service:error_ratio > 0.05",
            5,
            "warning",
            "{{ $labels.job }} on {{ $labels.node }} fails {{ $value | humanizePercentage }} of its requests",
            "See the service's log: figures of the rest are a selection.",
            unit="ratio",
        ),
    ),
)
