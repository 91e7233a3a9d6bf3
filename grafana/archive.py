"""The dashboards of a run, as JSON in its `dashboards/`: following it while it lives, showing it whole afterwards."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from grafana.board import Board, View
from grafana.choose import fitting
from grafana.dashboards import HOME
from runs import atomic
from runs.recipe import Recipe

HOME_FILE = f"{HOME}.json"
"""The dashboard that Grafana opens."""
_OUTSIDE = ("setup", "drain", "done")
"""What `run_phase` says before and after a recipe's phases."""
_REFRESH = 5.0
"""Seconds: Grafana refuses to refresh more often unless it is told otherwise (min_refresh_interval)."""


def write(
    directory: Path, run_id: str, recipe: Recipe, span: tuple[datetime, datetime] | None = None
) -> tuple[str, ...]:
    """Write the dashboards that fit a run into `directory`; returns the files' names. Raises OSError.

    Without `span` they follow the run: the last 15 minutes, refreshed. With it they show that time and stand still.
    """
    interval = recipe.watch.interval
    live = View(interval=interval, refresh=f"{max(_REFRESH, interval):g}s", run=run_id)
    if span is None:
        return write_all(directory, fitting(recipe), live)
    left_out = (*_OUTSIDE, *(phase.name for phase in recipe.load.stages if not phase.in_window))
    view = View(interval, (_moment(span[0]), _moment(span[1])), "", run_id, left_out)
    return write_all(directory, fitting(recipe), view)


def write_all(directory: Path, chosen: Iterable[Board], view: View) -> tuple[str, ...]:
    """Write dashboards as they are to be seen; returns the files' names. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    names = []
    for board in chosen:
        atomic.write(directory / f"{board.name}.json", text(board, view), sync=False)
        names.append(f"{board.name}.json")
    return tuple(names)


def text(board: Board, view: View) -> str:
    """Return a dashboard's JSON, keys sorted, so that two of them can be compared by line."""
    return orjson.dumps(board.json(view), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode() + "\n"


def read(directory: Path) -> Sequence[Path]:
    """Return the files of dashboards that a run holds, the overview first."""
    return sorted(directory.glob("*.json"), key=lambda path: (path.name != HOME_FILE, path.name))


def _moment(time: datetime) -> str:
    """Write a time as Grafana does: UTC, milliseconds, Z."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
