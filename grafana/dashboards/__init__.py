"""Dashboards: one file each, found by being there. A file's `BOARD` is one."""

import functools
import importlib
import pkgutil

from grafana.board import Board

HOME = "overview"
"""The one to watch: it comes first, and Grafana opens it."""


@functools.cache
def boards() -> tuple[Board, ...]:
    """Return all dashboards, HOME first and the others by name."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        board = getattr(importlib.import_module(f"{__name__}.{module.name}"), "BOARD", None)
        if board is not None:
            found.append(board)
    return tuple(sorted(found, key=lambda board: (board.name != HOME, board.name)))
