"""Chroma 1.x, which has no page: by what it sends over OTLP, a count of each operation and no time of one.

Seen of chroma 1.5.9 through the sidecar `otlp`, whose label `service_name` is the service's name. An operation has a
counter of its own, so each gets a label before they are added up.
"""

from prometheus.rules.base import Group, Record

_OPERATIONS = ("add", "count", "delete", "get", "query", "search", "update", "upsert")
_EACH = " or ".join(
    f'label_replace(rate(collection_{name}_total{{otel_scope_name="chroma"}}[$w]), "operation", "{name}", "", "")'
    for name in _OPERATIONS
)

GROUP = Group(
    "chroma",
    records=(Record("service:request_rate", f"sum by ($k) ({_EACH})"),),
    service=True,
    named_by=(("service_name", "(.+)"),),
)
