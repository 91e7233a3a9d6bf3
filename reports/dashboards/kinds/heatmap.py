"""Heat maps of histograms: a row a bucket, a column a step."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from reports.dashboards import encode
from reports.dashboards.fields import Wire
from reports.dashboards.frames import Column, Frame
from reports.dashboards.kinds.base import CannotError, Kind, Sheet
from reports.dashboards.reading import mapping, number, text, whole
from reports.statistics import Floats


def _draw(sheet: Sheet) -> Wire | None:
    if sheet.panel.options.get("calculate") is True:
        raise CannotError("a heat map that makes its own buckets (options.calculate) is not drawn")
    rows = [(frame, column) for frame in sheet.frames if frame.time is not None for column in frame.numbers]
    if not rows:
        return None
    axis = encode.union([np.asarray(f.time.values) for f, _ in rows if f.time is not None], sheet.steps)
    cumulative = any(target.format == "heatmap" for target in sheet.panel.targets)
    bounds = [_bound(column) for _, column in rows]
    order = (
        sorted(range(len(rows)), key=lambda place: bounds[place])
        if not any(map(math.isnan, bounds))
        else range(len(rows))
    )
    grid = np.array([_on(axis, *rows[place]) for place in order])
    if cumulative:
        grid = _counts(grid)
    if not np.nansum(np.abs(grid)):
        return None
    first = sheet.field(*rows[0])
    options, y_axis, color = sheet.panel.options, sheet.options("yAxis"), sheet.options("color")
    cells = sheet.options("cellValues")
    unit = text(y_axis.get("unit")) or first.unit
    names = [_name(bounds[place], rows[place][1]) for place in order]
    kept = _kept(grid)
    return {
        "x": sheet.axes.add(axis),
        "rows": names[kept],
        "low": names[kept.start - 1] if kept.start else None,
        "z": [encode.numbers(row) for row in grid[kept]],
        # What a bucket counts has a unit of its own: that of the field is its bounds'.
        "cell": {"u": text(cells.get("unit")), **_decimals(cells)},
        "unit": unit,
        "scheme": text(color.get("scheme")) or "Oranges",
        "mode": text(color.get("mode")) or "scheme",
        "fill": text(color.get("fill")),
        "exponent": number(color.get("exponent"), 0.5) if color.get("scale") != "linear" else 1.0,
        "reverse": color.get("reverse") is True,
        "least": number(mapping(options.get("filterValues")).get("le"), 0.0),
        "legend": sheet.options("legend").get("show") is not False,
    }


def _decimals(cells: Mapping[str, Any]) -> Wire:
    wanted = cells.get("decimals")
    return {} if wanted is None else {"d": min(12, max(0, whole(wanted)))}


def _kept(grid: Floats) -> slice:
    """Leave empty buckets out above and below, one apart: most histograms have more than a run fills."""
    full = np.flatnonzero(np.nansum(np.abs(grid), axis=1) > 0)
    return slice(max(0, int(full[0]) - 1), min(len(grid), int(full[-1]) + 2))


def _on(axis: Floats, frame: Frame, column: Column) -> Floats:
    assert frame.time is not None  # noqa: S101 - asked before
    return encode.spread(np.asarray(frame.time.values), np.asarray(column.values, dtype=np.float64), axis)


def _counts(grid: Floats) -> Floats:
    """Take from each cumulative bucket the one below; rates may make it a hair less than nothing."""
    known = np.nan_to_num(grid)
    counts = np.clip(np.diff(known, axis=0, prepend=0.0), 0.0, None)
    counts[np.isnan(grid)] = np.nan
    return counts


def _bound(column: Column) -> float:
    word = column.labels.get("le", column.title)
    try:
        return float(word.replace("+Inf", "inf"))
    except ValueError:
        return math.nan


def _name(bound: float, column: Column) -> float | str | None:
    if math.isnan(bound):
        return column.title
    return "+Inf" if math.isinf(bound) else bound


KIND = Kind(("heatmap",), "heatmap", _draw)
