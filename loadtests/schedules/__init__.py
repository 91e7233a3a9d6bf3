"""How requests are spaced: one file a way, found by being here. A file offers its way as `ARRIVAL`."""

import importlib
import pkgutil
from functools import cache

from loadtests.schedules.base import Arrival


@cache
def registry() -> dict[str, Arrival]:
    """Return every way of spacing by the word a recipe uses for it."""
    ways: dict[str, Arrival] = {}
    for module in pkgutil.iter_modules(__path__):
        way = getattr(importlib.import_module(f"{__name__}.{module.name}"), "ARRIVAL", None)
        if way is not None:
            ways[way.name] = way
    return ways
