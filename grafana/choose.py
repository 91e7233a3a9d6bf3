"""Which dashboards fit a run, and what of each."""

from grafana.board import Board
from grafana.dashboards import boards
from grafana.needs import Facts
from runs.recipe import Recipe


def fitting(recipe: Recipe) -> tuple[Board, ...]:
    """Return the dashboards that can have data in a run, without the panels that cannot; the overview first."""
    facts = Facts.of(recipe)
    return tuple(kept for board in boards() if (kept := board.fit(facts)) is not None)
