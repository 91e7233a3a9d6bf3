"""Dials."""

from reports.dashboards.fields import Wire
from reports.dashboards.kinds.base import Kind, Sheet
from reports.dashboards.kinds.values import arrangement, items, unnamed


def _draw(sheet: Sheet) -> Wire | None:
    found = unnamed(sheet, items(sheet))
    return {"items": found, **arrangement(sheet)} if found else None


KIND = Kind(("gauge",), "gauge", _draw)
