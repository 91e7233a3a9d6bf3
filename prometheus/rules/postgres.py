"""PostgreSQL, pgvector's too, by prometheus-postgres-exporter: a request is a transaction.

The exporter's own few queries a scrape are among them. `active_time` (PostgreSQL 14 and newer) is in milliseconds.
Names from the exporter's 0.11 to 0.20.
"""

from prometheus.rules.base import SET_UP, Alert, Group, Record, rate, ratio

_ENDED = f"{rate('pg_stat_database_xact_commit')} + {rate('pg_stat_database_xact_rollback')}"
_CONNECTIONS = ratio("sum by ($k) (pg_stat_database_numbackends)", "max by ($k) (pg_settings_max_connections)")

GROUP = Group(
    "postgres",
    records=(
        Record("service:request_rate", _ENDED),
        Record("service:error_ratio", ratio(rate("pg_stat_database_xact_rollback"), _ENDED)),
        Record("service:latency_seconds:mean", f"({ratio(rate('pg_stat_database_active_time'), _ENDED)}) / 1e3"),
        # The exporter's own session, which asks, is always one of them.
        Record("service:running_requests", '(sum by ($k) (pg_stat_activity_count{state="active"}) - 1) >= 0'),
        Record("service:saturation_ratio", _CONNECTIONS),
    ),
    alerts=(
        Alert(
            "ConnectionsRunOut",
            f"{_CONNECTIONS} > 0.9",
            5,
            "warning",
            "{{ $labels.job }} on {{ $labels.node }} has {{ $value | humanizePercentage }} of its connections in use",
            "New connections will be refused: raise max_connections, or drive it by fewer.",
            unit="ratio",
        ),
        Alert(
            "PostgresUnreachable",
            f"(min by ($k) (pg_up) == 0) {SET_UP}",
            5,
            "critical",
            "the exporter cannot reach PostgreSQL of {{ $labels.job }} on {{ $labels.node }}",
            "See the service's log: it may be out of connections, or gone.",
            worst="lowest",
        ),
    ),
    service=True,
    named_by=(("job", "(.+)-exporter"),),
)
