"""Metrics that our dashboards ask for, and where each was seen: `metrics.yaml`, made by `tools/known_metrics.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

GAUGES_NAMED_TOTAL = frozenset(
    {"collections_vector_total", "minio_api_requests_inflight_total", "minio_api_requests_waiting_total"}
)
"""Gauges in spite of their names (read in Qdrant's and MinIO's sources)."""


@dataclass(frozen=True)
class Known:
    """Where a metric was seen: `how` is recorded, captured, rule or unseen; `where` the recipe, the page or the reason.

    Recorded: in a recording of a real run. Captured: on a page of the real program. Unseen: it cannot be here, or was
    not yet; then `where` says why.
    """

    how: str
    where: str


@cache
def metrics() -> Mapping[str, Known]:
    """Return what is known of metrics, by name."""
    table = yaml.safe_load(files("grafana").joinpath("metrics.yaml").read_text())
    return {
        name: Known(how, where) for how, places in table.items() for where, names in places.items() for name in names
    }


def unknown(names: frozenset[str]) -> list[str]:
    """Return the names that nobody has seen and nobody has given a reason for."""
    return sorted(names - metrics().keys())
