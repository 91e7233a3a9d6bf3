"""States over time: a lane a series."""

import numpy as np

from reports.dashboards import encode
from reports.dashboards.fields import Wire
from reports.dashboards.kinds.base import Kind, Sheet
from reports.dashboards.reading import mapping, number, text

MOST_LANES = 40


def _draw(sheet: Sheet) -> Wire | None:
    found = []
    for frame in sheet.frames:
        if frame.time is None:
            continue
        times = np.asarray(frame.time.values, dtype=np.float64)
        for column in frame.columns:
            look = sheet.field(frame, column)
            if column.kind != "time" and mapping(look.custom.get("hideFrom")).get("viz") is not True:
                found.append((look, column, times))
    if len(found) > MOST_LANES:
        sheet.notes.append(f"{MOST_LANES} of {len(found)} series drawn")
    lanes = found[:MOST_LANES]
    axis = encode.union([times for _, _, times in lanes], sheet.steps)
    wires = []
    for look, column, times in lanes:
        if column.kind == "number":
            values = encode.numbers(encode.spread(times, np.asarray(column.values, dtype=np.float64), axis))
            if all(value is None for value in values):
                continue
        else:
            places = {round(float(time), 3): str(value) for time, value in zip(times, column.values, strict=True)}
            values = [places.get(round(float(time), 3)) for time in axis]  # type: ignore[misc]
        wires.append({"n": look.title, "f": sheet.spec(look), "v": values})
    if not wires:
        return None
    options = sheet.panel.options
    return {
        "x": sheet.axes.add(axis),
        "lanes": wires,
        "merge": sheet.panel.kind == "state-timeline" and options.get("mergeValues") is not False,
        "show": text(options.get("showValue")) or "auto",
        "height": min(1.0, max(0.1, number(options.get("rowHeight"), 0.9))),
        "legend": sheet.options("legend").get("showLegend") is not False,
    }


KIND = Kind(("state-timeline", "status-history"), "statetimeline", _draw)
