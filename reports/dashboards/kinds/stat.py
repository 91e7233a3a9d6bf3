"""Large figures, each with its course."""

from reports.dashboards.fields import Wire
from reports.dashboards.kinds.base import Kind, Sheet
from reports.dashboards.kinds.values import arrangement, items


def _draw(sheet: Sheet) -> Wire | None:
    found = items(sheet, course=sheet.panel.options.get("graphMode") != "none")
    return {"items": found, **arrangement(sheet)} if found else None


KIND = Kind(("stat", "singlestat"), "stat", _draw)
