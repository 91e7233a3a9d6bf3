"""Shapes of older Grafanas, made into today's: rows of spans (before 5), `graph` and `singlestat` (before 8)."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.dashboards.reading import mapping, mappings, text, texts

_SPANS = 12
"""A row of Grafana 4 is so many spans wide."""
_VALUE_NAMES = {
    "current": "lastNotNull",
    "avg": "mean",
    "total": "sum",
    "min": "min",
    "max": "max",
    "first": "firstNotNull",
    "delta": "delta",
    "range": "range",
    "diff": "diff",
}
_CALCS = {"avg": "mean", "current": "lastNotNull", "max": "max", "min": "min", "total": "sum"}


def modern(dashboard: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a dashboard with `panels`, where it had `rows`."""
    rows = dashboard.get("rows")
    if isinstance(rows, list) and not dashboard.get("panels"):
        return {**dashboard, "panels": list(_from_rows(rows))}
    return dashboard


def _from_rows(rows: list[Any]) -> Iterator[dict[str, Any]]:
    y = 0
    for row in mappings(rows):
        if row.get("showTitle") or row.get("repeat"):
            yield {
                "type": "row", "title": row.get("title"), "repeat": row.get("repeat"),
                "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
            }  # fmt: skip
            y += 1
        x, high = 0, 7
        for panel in mappings(row.get("panels")):
            span = panel.get("span")
            width = 2 * min(_SPANS, max(1, int(span))) if isinstance(span, int | float) else 24
            if x + width > 24:
                x, y = 0, y + high
            yield {**panel, "gridPos": {"x": x, "y": y, "w": width, "h": high}}
            x += width
        y += high


def panel(one: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return a panel of a kind that Grafana still has, and what is to be said of it."""
    kind = text(one.get("type"))
    if kind == "graph":
        return _graph(one), ["a panel of kind graph, which Grafana has no longer, drawn as a time series"]
    if kind in {"singlestat", "grafana-singlestat-panel"}:
        return _single(one), ["a panel of kind singlestat, which Grafana has no longer, drawn as a stat"]
    return one, []


def _graph(one: Mapping[str, Any]) -> Mapping[str, Any]:
    axes = one.get("yaxes")
    left = axes[0] if isinstance(axes, list) and axes and isinstance(axes[0], dict) else {}
    right = axes[1] if isinstance(axes, list) and len(axes) > 1 and isinstance(axes[1], dict) else {}
    legend = mapping(one.get("legend"))
    fill = one.get("fill")
    custom = {
        "drawStyle": "bars" if one.get("bars") and not one.get("lines", True) else "line",
        "lineWidth": one.get("linewidth", 1),
        "fillOpacity": 10 * fill if isinstance(fill, int | float) else 0,
        "stacking": {"mode": "normal" if one.get("stack") else "none", "group": "A"},
        "lineInterpolation": "stepAfter" if one.get("steppedLine") else "linear",
        "spanNulls": one.get("nullPointMode") == "connected",
        "showPoints": "always" if one.get("points") else "never",
        "axisLabel": left.get("label") or "",
    }
    defaults = {"unit": left.get("format"), "min": left.get("min"), "max": left.get("max"), "custom": custom}
    overrides = list(_series_overrides(one.get("seriesOverrides"), right))
    calcs = [calc for name, calc in _CALCS.items() if legend.get(name)]
    return {
        **one,
        "type": "timeseries",
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": {
            "legend": {
                "showLegend": legend.get("show", True),
                "displayMode": "table" if legend.get("alignAsTable") else "list",
                "placement": "right" if legend.get("rightSide") else "bottom",
                "calcs": calcs if legend.get("values") else [],
            }
        },
    }


def _series_overrides(found: object, right: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for one in found if isinstance(found, list) else ():
        if not isinstance(one, dict) or not isinstance(one.get("alias"), str):
            continue
        alias = one["alias"]
        matcher = {"id": "byRegexp" if alias.startswith("/") else "byName", "options": alias}
        properties: list[dict[str, Any]] = []
        if isinstance(one.get("color"), str):
            properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": one["color"]}})
        if one.get("yaxis") == 2:
            properties += [
                {"id": "custom.axisPlacement", "value": "right"},
                {"id": "unit", "value": right.get("format")},
            ]
        if one.get("transform") == "negative-Y":
            properties.append({"id": "custom.transform", "value": "negative-Y"})
        yield {"matcher": matcher, "properties": properties}


def _single(one: Mapping[str, Any]) -> Mapping[str, Any]:
    colors = texts(one.get("colors"))
    bounds: list[float | None] = [None]
    for part in str(one.get("thresholds") or "").split(","):
        try:
            bounds.append(float(part))
        except ValueError:
            continue
    steps = [{"value": bound, "color": color} for bound, color in zip(bounds, colors, strict=False)]
    colored = one.get("colorBackground") or one.get("colorValue")
    spark = mapping(one.get("sparkline"))
    return {
        **one,
        "type": "stat",
        "fieldConfig": {
            "defaults": {
                "unit": one.get("format"),
                "decimals": one.get("decimals"),
                "thresholds": {"mode": "absolute", "steps": steps} if colored else {},
                "mappings": one.get("valueMaps") if isinstance(one.get("valueMaps"), list) else [],
            },
            "overrides": [],
        },
        "options": {
            "colorMode": "background" if one.get("colorBackground") else "value" if colored else "none",
            "graphMode": "area" if spark.get("show") else "none",
            "reduceOptions": {"calcs": [_VALUE_NAMES.get(str(one.get("valueName")), "mean")], "fields": ""},
        },
    }
