"""Curves over time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.dashboards import encode, reducers
from reports.dashboards.fields import Field, Wire
from reports.dashboards.frames import Column
from reports.dashboards.kinds.base import Kind, Sheet
from reports.dashboards.reading import mapping, number, text, texts
from reports.statistics import Floats

MOST_SERIES = 20
"""Lines in one panel; of more, those with the highest peaks are drawn, and the panel says how many there are."""


@dataclass(frozen=True)
class _Line:
    field: Field
    column: Column
    times: Floats
    values: Floats


def _draw(sheet: Sheet) -> Wire | None:
    lines = _highest(_shown([line for line in _lines(sheet) if not np.isnan(line.values).all()], sheet), sheet)
    if not lines:
        return None
    axis = encode.union([line.times for line in lines], sheet.steps)
    sides: list[tuple[object, ...]] = []
    scales: list[Wire] = []
    calcs = _calcs(sheet)
    found = []
    sheet.notes += dict.fromkeys(note for line in lines for note in _lost(line.field))
    for line in lines:
        key = _scale_key(line.field)
        if key not in sides:
            sides.append(key)
            scales.append(_scale(sheet, line.field, first=len(sides) == 1))
        wire = _style(line.field)
        wire |= {"n": line.field.title, "f": sheet.spec(line.field), "s": sides.index(key)}
        # Drawn downwards, but written as it is: in the legend's calculations and at the cursor.
        down = line.field.custom.get("transform") == "negative-Y"
        wire["v"] = encode.numbers(encode.spread(line.times, -line.values if down else line.values, axis))
        wire |= {"y": True} if down else {}
        wire["q"] = [encode.short(reducers.reduce(calc, line.values)) for calc in calcs]
        found.append(wire)
    return {
        "x": sheet.axes.add(axis),
        "series": found,
        "scales": scales,
        "legend": _legend(sheet, calcs),
        "bars": any(wire.get("k") == "bars" for wire in found),
        "marks": _marks(sheet),
    }


def _lost(found: Field) -> Iterator[str]:
    """Yield what of a line's looks is not drawn."""
    if found.custom.get("fillBelowTo"):
        yield "the fill between two series (fillBelowTo) is not drawn"
    if mapping(found.custom.get("scaleDistribution")).get("type") == "symlog":
        yield "an axis that is symmetrically logarithmic is drawn linear"
    if isinstance(gaps := found.custom.get("spanNulls"), int | float) and gaps > 0 and gaps is not True:
        yield "all gaps are drawn over, not only short ones"


def _marks(sheet: Sheet) -> str:
    return text(mapping(mapping(sheet.panel.defaults.get("custom")).get("thresholdsStyle")).get("mode"))


def _lines(sheet: Sheet) -> Iterator[_Line]:
    for frame in sheet.frames:
        if frame.time is None:
            continue
        for column in frame.numbers:
            found = sheet.field(frame, column)
            values = np.asarray(column.values, dtype=np.float64)
            yield _Line(found, column, np.asarray(frame.time.values, dtype=np.float64), values)


def _shown(lines: list[_Line], sheet: Sheet) -> list[_Line]:
    """Leave out what the dashboard hides, unless that is all.

    A click on a legend is saved as `all except NAME`, and NAME is often a pod of another time.
    """
    found = [line for line in lines if mapping(line.field.custom.get("hideFrom")).get("viz") is not True]
    if lines and not found:
        sheet.notes.append("shows what the dashboard hides: nothing else is in this recording")
    return found or lines


def _highest(lines: list[_Line], sheet: Sheet) -> list[_Line]:
    if len(lines) <= MOST_SERIES:
        return lines
    sheet.notes.append(f"{MOST_SERIES} of {len(lines)} series drawn, those with the highest peaks")
    ranked = sorted(range(len(lines)), key=lambda index: -float(np.nanmax(np.abs(lines[index].values))))
    return [lines[index] for index in sorted(ranked[:MOST_SERIES])]


def _calcs(sheet: Sheet) -> list[str]:
    return list(texts(sheet.options("legend").get("calcs")))


def _legend(sheet: Sheet, calcs: list[str]) -> Wire:
    legend = sheet.options("legend")
    shown = legend.get("showLegend") is not False and legend.get("displayMode") != "hidden"
    return {
        "mode": ("table" if legend.get("displayMode") == "table" else "list") if shown else "",
        "right": legend.get("placement") == "right",
        "calcs": [reducers.title(calc) for calc in calcs],
        "sort": text(legend.get("sortBy")),
        "falls": legend.get("sortDesc") is True,
    }


def _scale_key(found: Field) -> tuple[object, ...]:
    """Series share a scale where they share a unit, bounds and a side, as in Grafana."""
    custom = found.custom
    return found.unit, found.low, found.high, text(custom.get("axisPlacement")), str(custom.get("scaleDistribution"))


def _scale(sheet: Sheet, found: Field, *, first: bool) -> Wire:
    custom = found.custom
    side = text(custom.get("axisPlacement")) or "auto"
    spread = mapping(custom.get("scaleDistribution"))
    return {
        "f": sheet.spec(found),
        "right": side == "right" or (side == "auto" and not first),
        "hidden": side == "hidden",
        "log": int(number(spread.get("log"), 10)) if spread.get("type") == "log" else 0,
        "label": text(custom.get("axisLabel")),
        "lo": _soft(custom.get("axisSoftMin")),
        "hi": _soft(custom.get("axisSoftMax")),
        "centred": custom.get("axisCenteredZero") is True,
    }


def _soft(value: object) -> float | None:
    return None if value is None else number(value)


def _style(found: Field) -> Wire:
    """How a line looks: k kind, w width, o fill in percent, i interpolation, d dashes, p points, g gaps, t stack."""
    custom = found.custom
    stack, gaps = mapping(custom.get("stacking")), custom.get("spanNulls")
    wire: Wire = {
        "k": text(custom.get("drawStyle")) or "line",
        "w": min(10.0, max(0.0, number(custom.get("lineWidth"), 1))),
        "o": min(100.0, max(0.0, number(custom.get("fillOpacity"), 0))),
        "i": text(custom.get("lineInterpolation")),
        "d": _dashes(mapping(custom.get("lineStyle"))),
        "p": text(custom.get("showPoints")) or "auto",
        "z": min(20.0, max(1.0, number(custom.get("pointSize"), 5))),
        # True, or up to how many ms: a page without a choice draws over all gaps then.
        "g": gaps is True or (isinstance(gaps, int | float) and gaps > 0) or None,
        "h": mapping(custom.get("hideFrom")).get("legend") is True or None,
    }
    if text(stack.get("mode")) in {"normal", "percent"}:
        wire["t"] = [text(stack.get("mode")), text(stack.get("group")) or "A"]
    return {key: value for key, value in wire.items() if value is not None and value != ""}


def _dashes(line: Mapping[str, Any]) -> list[float] | None:
    if text(line.get("fill")) not in {"dash", "dot"}:
        return None
    lengths = line.get("dash")
    found = [abs(number(one, 4)) for one in lengths[:8]] if isinstance(lengths, list) else []
    return found or ([2, 3] if line.get("fill") == "dot" else [6, 4])


KIND = Kind(("timeseries", "graph"), "timeseries", _draw)
