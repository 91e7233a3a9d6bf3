"""`graph`, which Grafana had until 10: made into a time series, or bars where its x axis was not time."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.dashboards import reducers
from reports.dashboards.legacy.axes import axes
from reports.dashboards.legacy.series import overrides
from reports.dashboards.reading import mapping, mappings, number, text, texts

CALCS = {"min": "min", "max": "max", "avg": "mean", "current": "lastNotNull", "total": "sum"}
"""Calculations by the words of old legends, in the order in which they stood."""
_COLORS = {"critical": "red", "warning": "orange", "ok": "green"}


def _graph(one: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    across = mapping(one.get("xaxis"))
    if across.get("mode") == "histogram":
        return {**one, "type": "graph that makes a histogram (xaxis.mode)"}, []
    left, right = axes(one)
    legend = mapping(one.get("legend"))
    steps = list(_thresholds(one.get("thresholds")))
    custom = {
        **_style(one),
        **left.custom,
        "stacking": {"mode": _stacking(one) if one.get("stack") else "none", "group": "A"},
        "thresholdsStyle": {"mode": _marks(one.get("thresholds"))},
    }
    defaults = {**left.field, "custom": custom, "thresholds": {"mode": "absolute", "steps": steps}}
    defaults["color"] = {"mode": "palette-classic"}
    config = {"defaults": defaults, "overrides": [*overrides(one, right, _stacking(one)), *_hidden(legend)]}
    if across.get("mode") == "series":
        calc = CALCS.get(next(iter(texts(across.get("values"))), "total"), "sum")
        options: dict[str, Any] = {"reduceOptions": {"calcs": [calc]}, "displayMode": "basic"}
        said = f"of the old kind graph, over series: a bar each, of its {reducers.title(calc).lower()}"
        return {**one, "type": "bargauge", "fieldConfig": config, "options": options}, [said]
    return {**one, "type": "timeseries", "fieldConfig": config, "options": {"legend": _legend(legend)}}, []


def _style(one: Mapping[str, Any]) -> dict[str, Any]:
    lines, points = one.get("lines", True) is not False, one.get("points") is True
    found: dict[str, Any] = {
        "drawStyle": "bars" if one.get("bars") else "points" if points and not lines else "line",
        "lineWidth": one.get("linewidth", 1) if lines or one.get("bars") or points else 0,
        "fillOpacity": 10 * number(one.get("fill"), 1) if lines or one.get("bars") else 0,
        "lineInterpolation": "stepAfter" if one.get("steppedLine") else "linear",
        "spanNulls": one.get("nullPointMode") == "connected",
        "showPoints": "always" if points else "never",
    }
    if one.get("dashes"):
        found["lineStyle"] = {"fill": "dash", "dash": [number(one.get(k), 10) for k in ("dashLength", "spaceLength")]}
    return found


def _stacking(one: Mapping[str, Any]) -> str:
    return "percent" if one.get("percentage") else "normal"


def _legend(legend: Mapping[str, Any]) -> dict[str, Any]:
    shown = [word for word in CALCS if legend.get(word) is True] if legend.get("values") else []
    sort = CALCS.get(text(legend.get("sort")))
    return {
        "showLegend": legend.get("show", True) is not False,
        "displayMode": "table" if legend.get("alignAsTable") else "list",
        "placement": "right" if legend.get("rightSide") else "bottom",
        "calcs": [CALCS[word] for word in shown],
        "sortBy": reducers.title(sort) if sort else "",
        "sortDesc": legend.get("sortDesc") is True,
    }


def _hidden(legend: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for word, calc in (("hideEmpty", "allIsNull"), ("hideZero", "allIsZero")):
        if legend.get(word) is True:
            options = {"reducer": calc, "op": "gte", "value": 1}
            hide = {"id": "custom.hideFrom", "value": {"legend": True, "viz": False}}
            yield {"matcher": {"id": "byValue", "options": options}, "properties": [hide]}


def _marks(found: object) -> str:
    lines = any(one.get("line") is not False for one in mappings(found))
    areas = any(one.get("fill") is not False for one in mappings(found))
    return ("line+area" if areas else "line") if lines and mappings(found) else "area" if areas else "off"


def _thresholds(found: object) -> Iterator[dict[str, Any]]:
    """Yield steps: `gt` colours what is above, `lt` what is below."""
    marks = sorted((one for one in mappings(found) if one.get("value") is not None), key=lambda o: number(o["value"]))
    colors = [_COLORS.get(text(one.get("colorMode"))) or text(one.get("lineColor")) or "red" for one in marks]
    below = [one.get("op") == "lt" for one in marks]
    if marks:
        yield {"value": None, "color": colors[0] if below[0] else "transparent"}
    for place, one in enumerate(marks):
        after = colors[place + 1] if place + 1 < len(marks) and below[place + 1] else "transparent"
        yield {"value": number(one["value"]), "color": after if below[place] else colors[place]}


OLD = {"graph": _graph}
