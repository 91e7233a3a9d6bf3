"""Places on Grafana's grid: 24 columns, panels from left to right, a new line where one does not fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from grafana.lib import row
from grafana.needs import ANY, Needs
from grafana.panel import Panel

COLUMNS = 24


@dataclass(frozen=True)
class Section:
    """Panels under a heading. A section without a title stands at the top of a dashboard."""

    title: str
    panels: Sequence[Panel]
    needs: Needs = ANY


def place(sections: Iterable[Section], unmeasured: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the sections' panels as JSON, with ids from 1 on and places that do not overlap.

    A line that panels do not fill is shared out among them: which panels there are depends on the run. `unmeasured`:
    phases of a run that is over; panels of one figure tell of all others, and not of the run's end.
    """
    placed: list[dict[str, Any]] = []
    top = 0
    for section in sections:
        if section.title:
            placed.append({**row(section.title), "id": len(placed) + 1, "gridPos": _grid(0, top, COLUMNS, 1)})
            top += 1
        for line in _lines(section.panels):
            left, height = 0, max(panel.height for panel in line)
            for panel, width in zip(line, _widths(line), strict=True):
                json = panel.json if unmeasured is None else panel.of_all(unmeasured)
                placed.append({**json, "id": len(placed) + 1, "gridPos": _grid(left, top, width, panel.height)})
                left += width
            top += height
    return placed


def _lines(panels: Iterable[Panel]) -> list[list[Panel]]:
    lines: list[list[Panel]] = []
    for panel in panels:
        if not lines or sum(each.width for each in lines[-1]) + panel.width > COLUMNS:
            lines.append([])
        lines[-1].append(panel)
    # One panel alone on the last line would be as wide as three above it: two lines of two read better.
    if len(lines) > 1 and len(lines[-1]) == 1 and len(lines[-2]) > 2 and lines[-1][0].width == lines[-2][-1].width:
        lines[-1].insert(0, lines[-2].pop())
    return lines


def _widths(line: Sequence[Panel]) -> list[int]:
    """Return the widths of a line's panels, grown in proportion until they fill it."""
    total = sum(panel.width for panel in line)
    ends = [round(sum(panel.width for panel in line[: place + 1]) * COLUMNS / total) for place in range(len(line))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def _grid(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}
