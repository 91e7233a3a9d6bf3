"""Places on Grafana's grid: 24 columns, panels from left to right, a new line where one does not fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from grafana.needs import ANY, Needs
from grafana.panels import Panel, row

COLUMNS = 24


@dataclass(frozen=True)
class Section:
    """Panels under a heading. A section without a title stands at the top of a dashboard."""

    title: str
    panels: Sequence[Panel]
    needs: Needs = ANY


def place(sections: Iterable[Section]) -> list[dict[str, Any]]:
    """Return the sections' panels as JSON, with ids from 1 on and places that do not overlap."""
    placed: list[dict[str, Any]] = []
    top = 0
    for section in sections:
        if section.title:
            placed.append({**row(section.title), "id": len(placed) + 1, "gridPos": _grid(0, top, COLUMNS, 1)})
            top += 1
        left = height = 0
        for panel in section.panels:
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            place = _grid(left, top, panel.width, panel.height)
            placed.append({**panel.json, "id": len(placed) + 1, "gridPos": place})
            left += panel.width
            height = max(height, panel.height)
        top += height
    return placed


def _grid(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}
