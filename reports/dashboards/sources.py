"""Which data source a query asks: a recording has one, its Prometheus."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reports.dashboards.model import Dashboard, Target
from reports.dashboards.reading import text

_OURS = {"prometheus", "grafana-amazonprometheus-datasource", "grafana-azureprometheus-datasource", "datasource", ""}
_OTHERS = {
    "-- Grafana --": "Grafana itself",
    "grafana": "Grafana itself",
    "__expr__": "an expression that Grafana computes (math, reduce, SQL)",
    "-- Dashboard --": "another panel",
}
_NAMES = {
    *("loki", "influxdb", "elasticsearch", "graphite", "cloudwatch", "mysql", "postgresql", "tempo", "jaeger"),
    *("opentsdb", "mssql", "zipkin", "azure monitor", "testdata", "testdata db", "clickhouse", "zabbix"),
}
"""Names that Grafana proposes for data sources of other types: old dashboards say nothing else of the type."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]")


@dataclass(frozen=True)
class Sources:
    """The data sources of a dashboard; `types` are those of its variables and inputs, by name."""

    types: Mapping[str, str] = field(default_factory=dict)

    def foreign(self, source: Mapping[str, Any]) -> str | None:
        """Return what a data source is that a recording has not; None for a Prometheus of any name.

        A reference by name, or by a variable of which nothing is known, is taken for a Prometheus, as most are.
        """
        uid, kind, name = (text(source.get(key)) for key in ("uid", "type", "name"))
        for word in (uid, kind, name):
            if word in _OTHERS:
                return _OTHERS[word]
        for word in (uid, name):
            if match := _VARIABLE.fullmatch(word):
                kind = self.types.get(match[1] or match[2] or match[3], kind)
        if not kind and name.lower() in _NAMES:
            kind = name
        return None if kind in _OURS else f"the data source {kind}"

    def of(self, target: Target, default: Mapping[str, Any]) -> str | None:
        """Return what a query asks that a recording has not; `default` is the data source of its panel."""
        if found := self.foreign(target.source or default):
            return found
        return "a data source whose queries are no PromQL" if target.other else None


def of(dashboard: Dashboard) -> Sources:
    """Return the data sources of a dashboard."""
    variables = {one.name: one.query for one in dashboard.variables if one.kind == "datasource"}
    return Sources({**dashboard.inputs, **variables})


def elsewhere(source: Mapping[str, Any]) -> bool:
    """Tell whether the answer of another panel is meant."""
    return "-- Dashboard --" in (source.get("uid"), source.get("name"))


def listed(found: Iterable[str | None]) -> str:
    """Write data sources as words, each once."""
    return " and ".join(dict.fromkeys(filter(None, found)))
