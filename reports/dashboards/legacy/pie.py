"""The plug-in that drew pies before Grafana had them."""

from collections.abc import Mapping
from typing import Any

from reports.dashboards.reading import mapping, text

_CALCS = {"current": "lastNotNull", "avg": "mean", "total": "sum", "min": "min", "max": "max"}


def _pie(one: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    defaults = {"unit": one.get("format"), "decimals": one.get("decimals"), "color": {"mode": "palette-classic"}}
    overrides = [
        {
            "matcher": {"id": "byName", "options": alias},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for alias, color in mapping(one.get("aliasColors")).items()
    ]
    options = {"reduceOptions": {"calcs": [_CALCS.get(text(one.get("valueName")), "lastNotNull")]}}
    return {
        **one, "type": "piechart", "fieldConfig": {"defaults": defaults, "overrides": overrides}, "options": options,
    }, []  # fmt: skip


OLD = {"grafana-piechart-panel": _pie}
