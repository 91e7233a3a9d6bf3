"""Tables before Grafana 7: a `transform` and `styles`, made into transformations and overrides."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.dashboards import reducers
from reports.dashboards.legacy.graph import CALCS
from reports.dashboards.reading import mappings, text, texts

_STEPS = {
    "timeseries_to_rows": "seriesToRows",
    "timeseries_to_columns": "seriesToColumns",
    "timeseries_aggregations": "reduce",
    "table": "merge",
}
_SHADES = {"cell": "color-background", "row": "color-background", "value": "color-text"}


def _table(one: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    if "styles" not in one and "transform" not in one:
        return one, []
    transform = text(one.get("transform"))
    notes = [f"its transform {transform} is not applied"] if transform and transform not in _STEPS else []
    calcs = [CALCS.get(text(column.get("value")), "") for column in mappings(one.get("columns"))]
    options = (
        {"reducers": [calc for calc in calcs if calc] or ["mean"]} if transform == "timeseries_aggregations" else {}
    )
    steps = [{"id": _STEPS[transform], "options": options}] if transform in _STEPS else []
    overrides = [override for style in reversed(mappings(one.get("styles"))) for override in _styled(style, calcs)]
    return {
        **one,
        "type": "table",
        "transformations": steps,
        "fieldConfig": {"defaults": {}, "overrides": overrides},
        "options": {"showHeader": one.get("showHeader") is not False},
    }, notes


def _styled(style: Mapping[str, Any], calcs: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the override of a style: the first style that fitted won, so they are applied from the last on."""
    pattern = text(style.get("pattern"))
    # A column of a calculation is called `Avg` there, `Mean` here.
    names = {word.lower(): reducers.title(calc) for word, calc in CALCS.items() if calc in calcs}
    names |= {"metric": "Field"} if calcs else {}
    pattern = names.get(pattern.lower(), pattern) if not pattern.startswith("/") else pattern
    matcher = {"id": "byRegexp" if pattern.startswith("/") else "byName", "options": pattern}
    yield {"matcher": matcher, "properties": [{"id": name, "value": value} for name, value in _properties(style)]}


def _properties(style: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    kind = style.get("type")
    if style.get("alias"):
        yield "displayName", style["alias"]
    if kind == "hidden":
        yield "custom.hidden", True
    elif kind == "date":
        yield "unit", "dateTimeAsIso"
    elif kind == "number":
        yield "unit", style.get("unit")
        yield "decimals", style.get("decimals")
    if style.get("align"):
        yield "custom.align", style["align"]
    if shade := _SHADES.get(text(style.get("colorMode"))):
        bounds = [None, *style["thresholds"]] if isinstance(style.get("thresholds"), list) else [None]
        steps = [{"value": b, "color": c} for b, c in zip(bounds, texts(style.get("colors")), strict=False)]
        yield "custom.cellOptions", {"type": shade}
        yield "thresholds", {"mode": "absolute", "steps": steps}
        yield "color", {"mode": "thresholds"}
    maps = style.get("valueMaps" if style.get("mappingType") == 1 else "rangeMaps")
    if isinstance(maps, list) and maps:
        yield "mappings", maps


OLD = {"table": _table, "table-old": _table}
