"""Tables."""

import numpy as np

from reports.dashboards import encode, reducers
from reports.dashboards.fields import Field, Wire
from reports.dashboards.frames import Column, Frame
from reports.dashboards.kinds.base import TIME_UNITS, Kind, Sheet
from reports.dashboards.reading import mapping, text, texts
from reports.dashboards.transforms.rows import sorted_by

MOST_ROWS = 500


def _draw(sheet: Sheet) -> Wire | None:
    frames = [frame for frame in sheet.frames if len(frame) and frame.columns]
    if not frames:
        return None
    frame = frames[0]
    if len(frames) > 1:
        sheet.notes.append(f"the first of {len(frames)} tables")
    columns = [
        (column, found) for column in frame.columns if not (found := sheet.field(frame, column)).custom.get("hidden")
    ]
    by = sheet.panel.options.get("sortBy")
    first = mapping(by[0]) if isinstance(by, list) and by else {}
    wanted = text(first.get("displayName"))
    name = next((column.title for column, found in columns if found.title == wanted), wanted)
    rows = len(frame)
    frame = sorted_by(frame, name, falling=first.get("desc") is True)
    if rows > MOST_ROWS:
        sheet.notes.append(f"{MOST_ROWS} of {rows} rows")
        frame = frame.take(range(MOST_ROWS))
    kept = [column.title for column, _ in columns]
    fields = dict(zip(kept, (found for _, found in columns), strict=True))
    return {
        "columns": [_column(sheet, column, fields[column.title]) for column in frame.columns if column.title in fields],
        "footer": _footer(sheet, frame, fields),
        "header": sheet.panel.options.get("showHeader") is not False,
    }


def _column(sheet: Sheet, column: Column, found: Field) -> Wire:
    """Return n title, k kind, f field, v values, a alignment, c the colouring, lo and hi of a bar in the cell."""
    cell = mapping(found.custom.get("cellOptions"))
    mode = text(cell.get("type")) or text(found.custom.get("displayMode")) or "auto"
    wire: Wire = {"n": found.title, "k": column.kind, "f": sheet.spec(found), "a": text(found.custom.get("align"))}
    if column.kind == "string":
        return wire | {"v": list(column.values), "c": mode}
    values = np.asarray(column.values, dtype=np.float64)
    digits = 17 if found.unit.startswith(TIME_UNITS) or column.kind == "time" else 9
    known = values[~np.isnan(values)]
    return wire | {
        "v": [encode.short(value, digits) for value in values.tolist()],
        "c": mode,
        "lo": encode.short(found.low if found.low is not None else min(0.0, float(known.min(initial=0.0)))),
        "hi": encode.short(found.high if found.high is not None else float(known.max(initial=0.0))),
    }


def _footer(sheet: Sheet, frame: Frame, fields: dict[str, Field]) -> list[float | int | str | None] | None:
    footer = sheet.options("footer")
    if footer.get("show") is not True:
        return None
    calc, only = next(iter(texts(footer.get("reducer"))), "sum"), texts(footer.get("fields"))
    cells: list[float | int | str | None] = []
    for column in frame.columns:
        if column.title not in fields:
            continue
        counted = column.kind == "number" and (not only or column.title in only)
        values = np.asarray(column.values, dtype=np.float64) if counted else np.zeros(0)
        cells.append(encode.short(reducers.reduce(calc, values), 9) if counted else None)
    if cells and cells[0] is None:
        cells[0] = reducers.title(calc)
    return cells


KIND = Kind(("table", "table-old"), "table", _draw)
