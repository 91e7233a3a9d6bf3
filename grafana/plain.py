"""Parts of panels as plain JSON: overrides of series, and what is left of grafanalib's keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana.queries import Query

REFS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""Names of a panel's queries."""
_KEYS = (
    *("type", "title", "description", "datasource", "targets", "fieldConfig", "options", "transformations"),
    "transparent",
)
_FIELD = ("unit", "min", "max", "decimals", "noValue", "color", "thresholds", "mappings", "custom")
"""Keys of a panel and of its field's defaults that Grafana of today reads; grafanalib puts three dozen others."""


def overrides(queries: Sequence[Query]) -> list[dict[str, Any]]:
    """Return what makes the queries' series look as they are to."""
    found = []
    for ref, query in zip(REFS, queries, strict=False):
        properties: list[dict[str, Any]] = []
        if query.color is not None:
            properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": query.color}})
        if query.dashed:
            properties.append({"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}})
            properties.append({"id": "custom.fillOpacity", "value": 0})
        if properties:
            # A legend with a label in it has many names: then the query is what the series have in common.
            many = "{{" in query.legend
            matcher = {"id": "byFrameRefID" if many else "byName", "options": ref if many else query.legend}
            found.append({"matcher": matcher, "properties": properties})
    return found


def by_name(colors: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what gives series a colour by their whole legend."""
    return [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for name, color in colors.items()
    ]


def clean(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a panel as grafanalib writes it, without what today's Grafana does not read there, and without nulls."""
    kept = {key: plain[key] for key in _KEYS if plain.get(key) not in (None, [])}
    field = kept.get("fieldConfig", {})
    if "overrides" in field:
        field["defaults"] = {key: field["defaults"][key] for key in _FIELD if key in field["defaults"]}
        field["defaults"].get("custom", {}).pop("displayMode", None)  # of a table: it is `cellOptions` today
        kept["fieldConfig"] = {"defaults": field["defaults"], "overrides": field["overrides"]}
    else:
        kept.pop("fieldConfig", None)  # text and rows show no field
    return {key: _prune(value) for key, value in kept.items()}


def _prune(value: Any) -> Any:
    """Take nulls out of objects, but for the `value` of a threshold."""
    if isinstance(value, dict):
        step = value.keys() == {"value", "color"}
        return {key: _prune(each) for key, each in value.items() if each is not None or (step and key == "value")}
    if isinstance(value, list):
        return [_prune(each) for each in value]
    return value
