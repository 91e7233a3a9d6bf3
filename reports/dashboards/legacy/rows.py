"""Rows of spans, before Grafana 5 (schema 16): twelve spans a line, heights in pixels."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reports.dashboards.reading import mappings, number, text, whole

_SPANS = 12
_HIGH = 7
"""Grid lines of a row that gives no height: 250 px."""


def modern(dashboard: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a dashboard with `panels`, where it had `rows`."""
    rows = dashboard.get("rows")
    if isinstance(rows, list) and not dashboard.get("panels"):
        return {**dashboard, "panels": list(_from_rows(rows))}
    return dashboard


def _from_rows(rows: list[Any]) -> Iterator[dict[str, Any]]:
    y = 0
    named = any(_named(row) for row in mappings(rows))
    for row in mappings(rows):
        high, closed, inside = _lines(row.get("height"), _HIGH), row.get("collapse") is True, list[dict[str, Any]]()
        # One row with a heading makes headings of all, as in Grafana: else its panels would stand under another's.
        if named:
            shown = text(row.get("title")) if _named(row) else ""
            head = {"type": "row", "title": shown, "repeat": row.get("repeat"), "collapsed": closed, "panels": inside}
            yield {**head, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}}
            y += 1
        x = tallest = 0
        for panel in mappings(row.get("panels")):
            width = 2 * min(_SPANS, max(1, whole(panel.get("span"), 4)))
            mine = _lines(panel.get("height"), high)
            if x + width > 2 * _SPANS:
                x, y, tallest = 0, y + tallest, 0
            placed = {**panel, "gridPos": {"x": x, "y": y, "w": width, "h": mine}}
            if named and closed:
                inside.append(placed)
            else:
                yield placed
            x, tallest = x + width, max(tallest, mine)
        y += tallest


def _named(row: Mapping[str, Any]) -> bool:
    return bool(row.get("showTitle") or row.get("repeat") or row.get("collapse"))


def _lines(height: object, default: int) -> int:
    """Read `250px` or 250 as lines of the grid, 38 px each."""
    pixels = number(re.sub(r"px$", "", height) if isinstance(height, str) else height)
    return min(60, max(3, -(-int(pixels) // 38))) if pixels > 0 else default
