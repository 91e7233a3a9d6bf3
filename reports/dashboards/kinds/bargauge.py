"""Bars, one a figure."""

from reports.dashboards.fields import Wire
from reports.dashboards.kinds.base import Kind, Sheet
from reports.dashboards.kinds.values import arrangement, items


def _draw(sheet: Sheet) -> Wire | None:
    found = items(sheet)
    if sheet.panel.kind == "piechart" and found:
        sheet.notes.append("a pie chart, drawn as bars")
        total = sum(one["v"] for one in found if isinstance(one["v"], int | float))
        found = [one | {"lo": 0, "hi": total or 1} for one in found]
        return {"items": found, **arrangement(sheet), "orientation": "horizontal", "mode": "basic"}
    return {"items": found, **arrangement(sheet)} if found else None


KIND = Kind(("bargauge", "piechart"), "bargauge", _draw)
