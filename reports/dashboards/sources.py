"""Which data source a query asks: a recording has one, its Prometheus."""

from collections.abc import Mapping
from typing import Any

from reports.dashboards.reading import text

_OURS = {"prometheus", "grafana-amazonprometheus-datasource", "grafana-azureprometheus-datasource", "datasource", ""}
_OTHERS = {
    "-- Grafana --": "Grafana itself",
    "grafana": "Grafana itself",
    "__expr__": "an expression that Grafana computes (math, reduce, SQL)",
    "-- Dashboard --": "another panel",
}


def foreign(source: Mapping[str, Any]) -> str | None:
    """Return what a data source is that a recording has not; None for a Prometheus of any name.

    A reference by name or by a variable says nothing of its type: it is taken for a Prometheus, as most are.
    """
    uid, kind, name = (text(source.get(key)) for key in ("uid", "type", "name"))
    for word in (uid, kind, name):
        if word in _OTHERS:
            return _OTHERS[word]
    return None if kind in _OURS else f"the data source {kind}"


def elsewhere(source: Mapping[str, Any]) -> bool:
    """Tell whether the answer of another panel is meant."""
    return "-- Dashboard --" in (source.get("uid"), source.get("name"))
