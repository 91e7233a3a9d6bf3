"""One figure of each series: stat, gauge and bar gauge (pie charts too, as bars)."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from reports.dashboards import encode, reducers
from reports.dashboards.fields import Field, Wire, pattern
from reports.dashboards.frames import Column, Frame
from reports.dashboards.kinds.base import TIME_UNITS, Sheet
from reports.dashboards.reading import mapping, mappings, text, texts, whole

MOST_VALUES = 40
_MOST_POINTS = 300
"""Points of the course that is drawn below a figure."""
_BOUNDS = {"percent": (0.0, 100.0), "percentunit": (0.0, 1.0)}


def items(sheet: Sheet, *, course: bool = False) -> list[Wire]:
    """Return the figures: n name, v value, f field, lo and hi bounds, c its course as [axis, values]."""
    found = list(_items(sheet, course=course))
    if len(found) > MOST_VALUES:
        sheet.notes.append(f"{MOST_VALUES} of {len(found)} values drawn")
    known = [one["v"] for one in found if isinstance(one["v"], int | float)]
    for one in found:
        low, high = _bounds(one.pop("field"), known)
        one |= {"lo": encode.short(low), "hi": encode.short(high)}
    return found[:MOST_VALUES]


def unnamed(sheet: Sheet, found: list[Wire]) -> list[Wire]:
    """Take the name from a figure that is the only one and was given none, as Grafana does in gauges and bars."""
    properties = (one for override in sheet.panel.overrides for one in mappings(override.get("properties")))
    named = sheet.panel.defaults.get("displayName") or any(one.get("id") == "displayName" for one in properties)
    return found if named or len(found) != 1 else [found[0] | {"n": ""}]


def _items(sheet: Sheet, *, course: bool) -> Iterator[dict[str, Any]]:
    options = sheet.options("reduceOptions")
    calc = next(iter(texts(options.get("calcs"))), "lastNotNull")
    for frame in sheet.frames:
        for column in _wanted(frame, text(options.get("fields"))):
            found = sheet.field(frame, column)
            if options.get("values") is True:
                yield from _each(sheet, frame, column, found, whole(options.get("limit"), MOST_VALUES))
                continue
            value = _reduced(calc, column)
            if value is None:
                continue
            one: dict[str, Any] = {
                "n": found.title,
                "v": _rounded(value, found),
                "f": sheet.spec(found),
                "field": found,
            }
            if course and frame.time is not None and len(frame) > 1 and column.kind == "number":
                one["c"] = _course(sheet, frame, column)
            yield one


def _each(sheet: Sheet, frame: Frame, column: Column, found: Field, most: int) -> Iterator[dict[str, Any]]:
    """Yield every row of a table; its texts are its name."""
    names = [c for c in frame.columns if c.kind == "string" and c is not column]
    for index in range(min(len(frame), most)):
        value = column.values[index]
        if column.kind != "number" or not np.isnan(value):
            name = " ".join(str(c.values[index]) for c in names) or found.title
            yield {"n": name, "v": _rounded(value, found), "f": sheet.spec(found), "field": found}


def _wanted(frame: Frame, fields: str) -> Iterator[Column]:
    """Yield the columns of numbers, or those that the option `fields` names, by name or by a regular expression."""
    if not fields:
        yield from frame.numbers
    elif found := pattern(fields if fields.startswith("/") else f"/^{re.escape(fields)}$/"):
        yield from (c for c in frame.columns if found.search(c.title) and (c.kind != "time" or fields != "/.*/"))


def _reduced(calc: str, column: Column) -> float | str | None:
    if column.kind == "string":
        return next((str(value) for value in reversed(column.values) if value != ""), None)
    return reducers.reduce(calc, np.asarray(column.values, dtype=np.float64))


def _rounded(value: float | str, found: Field) -> float | int | str | None:
    if isinstance(value, str):
        return value
    return encode.short(value, 17 if found.unit.startswith(TIME_UNITS) else 9)


def _course(sheet: Sheet, frame: Frame, column: Column) -> list[Any]:
    assert frame.time is not None  # noqa: S101 - asked before
    thin = max(1, -(-len(frame) // _MOST_POINTS))
    times = np.asarray(frame.time.values, dtype=np.float64)
    axis = encode.union([times], sheet.steps)
    values = encode.spread(times, np.asarray(column.values, dtype=np.float64), axis)
    return [sheet.axes.add(axis[::thin]), encode.numbers(values[::thin])]


def _bounds(found: Field, known: list[float]) -> tuple[float, float]:
    """Return the ends of a scale: the field's own, else those of its unit, else of all values."""
    low, high = _BOUNDS.get(found.unit, (min([0.0, *known]), max([0.0, *known])))
    low = low if found.low is None else found.low
    high = high if found.high is None else found.high
    return (low, high) if high > low else (low, low + 1.0)


def arrangement(sheet: Sheet) -> Wire:
    """Return the options that the three have in common."""
    options = sheet.panel.options
    return {
        "orientation": text(options.get("orientation")) or "auto",
        "text": text(options.get("textMode")) or "auto",
        "color": text(options.get("colorMode")) or "value",
        "mode": text(options.get("displayMode")) or "gradient",
        "marks": options.get("showThresholdMarkers") is not False,
        "names": mapping(options.get("text")).get("titleSize") != 0,
    }
