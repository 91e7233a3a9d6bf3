"""Bars, one a figure; pies and bar charts too."""

from dataclasses import replace

from reports.dashboards.fields import Wire
from reports.dashboards.frames import Frame
from reports.dashboards.kinds.base import Kind, Sheet
from reports.dashboards.kinds.values import arrangement, items, unnamed
from reports.dashboards.reading import text


def _draw(sheet: Sheet) -> Wire | None:
    if sheet.panel.kind == "barchart":
        return _chart(sheet)
    found = items(sheet)
    if sheet.panel.kind == "piechart" and found:
        sheet.notes.append("a pie chart, drawn as bars")
        total = sum(one["v"] for one in found if isinstance(one["v"], int | float))
        found = [one | {"lo": 0, "hi": total or 1} for one in found]
        return {"items": found, **arrangement(sheet), "orientation": "horizontal", "mode": "basic"}
    return {"items": unnamed(sheet, found), **arrangement(sheet)} if found else None


def _chart(sheet: Sheet) -> Wire | None:
    """Draw the rows of a table as bars, named by the field of the x axis; series by their last values."""
    name = text(sheet.panel.options.get("xField"))
    rows = any(c.kind == "string" for frame in sheet.frames for c in frame.columns)
    options = {**sheet.panel.options, "reduceOptions": {"values": rows}}
    panel = replace(sheet.panel, options=options)
    found = items(replace(sheet, panel=panel, frames=[_named(frame, name) for frame in sheet.frames]))
    if not found:
        return None
    sheet.notes.append("a bar chart, drawn as bars" if rows else "a bar chart, drawn as bars of the last values")
    return {"items": found, **arrangement(sheet), "orientation": "horizontal", "mode": "basic"}


def _named(frame: Frame, name: str) -> Frame:
    x = frame.column(name) if name else None
    if x is None or x.kind != "string":
        return frame
    return replace(frame, columns=tuple(c for c in frame.columns if c.kind != "string" or c is x))


KIND = Kind(("bargauge", "piechart", "barchart"), "bargauge", _draw)
