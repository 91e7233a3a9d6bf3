"""Rows and panels as they are drawn: repeated ones made many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reports.dashboards.interpolate import Scope
from reports.dashboards.model import COLUMNS, Dashboard, Panel, Row

MOST_PANELS = 1000
"""Of a dashboard; more, which repeats of repeats make, no page can hold."""
MOST_REPEATS = 16
"""Copies of a repeated panel or row that are drawn; more are told of."""


@dataclass(frozen=True)
class Placed:
    """A panel with the variables that hold in it."""

    panel: Panel
    scope: Scope


@dataclass(frozen=True)
class Section:
    """A row as it is drawn."""

    title: str
    collapsed: bool
    panels: tuple[Placed, ...]


def arrange(dashboard: Dashboard, scope: Scope) -> Iterator[Section]:
    """Yield the rows with their panels, repeats made."""
    left = MOST_PANELS
    for row in dashboard.rows:
        for inside, more in _scopes(row.repeat, scope):
            placed = tuple(_placed(row, inside))
            panels, left = placed[:left], left - min(left, len(placed))
            title = inside.words(row.title) + (f" ({more} more are not drawn)" if more else "")
            if len(panels) < len(placed):
                title += f" ({len(placed) - len(panels)} panels are not drawn: a dashboard has {MOST_PANELS} at most)"
            if panels or row.title:
                yield Section(title, row.collapsed, panels)


def _scopes(name: str, scope: Scope) -> Iterator[tuple[Scope, int]]:
    values = scope.chosen[name].values if name in scope.chosen else ()
    if not values:
        yield scope, 0
    for index, value in enumerate(values[:MOST_REPEATS]):
        last = index == min(len(values), MOST_REPEATS) - 1
        yield scope.with_one(name, value), len(values) - MOST_REPEATS if last and len(values) > MOST_REPEATS else 0


def _placed(row: Row, scope: Scope) -> Iterator[Placed]:
    """Yield panels; those below a repeated one make room for its copies."""
    down = 0
    for panel in sorted(row.panels, key=lambda one: (one.place.y, one.place.x)):
        copies = list(_scopes(panel.repeat, scope)) if panel.repeat else [(scope, 0)]
        where = panel.at(y=panel.place.y + down)
        if len(copies) == 1:
            yield Placed(where, copies[0][0])
            continue
        yield from _copies(where, copies)
        lines = len(copies) if panel.vertical else -(-len(copies) // min(panel.most_a_row, len(copies)))
        down += (lines - 1) * panel.place.h


def _copies(panel: Panel, copies: Sequence[tuple[Scope, int]]) -> Iterator[Placed]:
    across = 1 if panel.vertical else min(panel.most_a_row, len(copies))
    width = panel.place.w if panel.vertical else COLUMNS // across
    for index, (inside, more) in enumerate(copies):
        line, place = divmod(index, across)
        one = panel.at(
            x=panel.place.x if panel.vertical else place * width, y=panel.place.y + line * panel.place.h, w=width
        )
        notes = (*panel.notes, f"{more} more of its repeats are not drawn") if more else panel.notes
        yield Placed(replace(one, notes=notes), inside)
