"""`aliasColors` and `seriesOverrides` of a `graph`, made into overrides."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reports.dashboards.legacy.axes import Axis, axis_overrides
from reports.dashboards.reading import mapping, mappings, number, text

_Properties = list[tuple[str, Any]]


def overrides(one: Mapping[str, Any], right: Axis, stacking: str) -> Iterator[dict[str, Any]]:
    """Yield the overrides of a panel; `right` is its right axis, `stacking` how it stacks where a series asks."""
    for alias, color in mapping(one.get("aliasColors")).items():
        yield _override(alias, _color(color))
    for other in mappings(one.get("seriesOverrides")):
        if alias := text(other.get("alias")):
            properties = [pair for word, does in _WORDS.items() if word in other for pair in does(other[word])]
            if "stack" in other:  # true, false, or the letter of a group
                group = other["stack"] if isinstance(other["stack"], str) else "A"
                properties.append(("custom.stacking", {"mode": stacking if other["stack"] else "none", "group": group}))
            yield _override(alias, properties + (axis_overrides(right) if other.get("yaxis") == 2 else []))


def _override(alias: str, properties: _Properties) -> dict[str, Any]:
    matcher = {"id": "byRegexp" if alias.startswith("/") else "byName", "options": alias}
    return {"matcher": matcher, "properties": [{"id": name, "value": value} for name, value in properties]}


def _color(value: Any) -> _Properties:
    return [("color", {"mode": "fixed", "fixedColor": value})] if isinstance(value, str) else []


def _lines(value: Any) -> _Properties:
    if value:
        return [("custom.drawStyle", "line")]
    return [("custom.lineWidth", 0), ("custom.fillOpacity", 0)]


def _figure(name: str, times: float) -> Callable[[Any], _Properties]:
    return lambda value: [(f"custom.{name}", times * number(value))]


# In this order: `bars` is said beside `lines: false`.
_WORDS: Mapping[str, Callable[[Any], _Properties]] = {
    "color": _color,
    "lines": _lines,
    "bars": lambda value: [("custom.drawStyle", "bars"), ("custom.fillOpacity", 70)] if value else [],
    "fill": _figure("fillOpacity", 10),
    "linewidth": _figure("lineWidth", 1),
    "pointradius": _figure("pointSize", 2),
    "points": lambda value: [("custom.showPoints", "always" if value else "never")],
    "dashes": lambda value: [("custom.lineStyle", {"fill": "dash", "dash": [10, 10]})] if value else [],
    "steppedLine": lambda value: [("custom.lineInterpolation", "stepAfter" if value else "linear")],
    "nullPointMode": lambda value: [("custom.spanNulls", value == "connected")],
    "fillBelowTo": lambda value: [("custom.fillBelowTo", value)],
    "transform": lambda value: [("custom.transform", value)],
    "legend": lambda value: [("custom.hideFrom", {"legend": True, "viz": False})] if value is False else [],
}
