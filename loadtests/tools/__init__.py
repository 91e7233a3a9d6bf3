"""Programs that make their own load, run phase by phase: one file a tool, found by being here as `TOOL`."""

import importlib
import pkgutil
from functools import cache

from loadtests.tools.base import ToolKind


@cache
def registry() -> dict[str, ToolKind]:
    """Return every tool by the word a recipe uses for it (`load.generator`)."""
    kinds: dict[str, ToolKind] = {}
    for module in pkgutil.iter_modules(__path__):
        kind = getattr(importlib.import_module(f"{__name__}.{module.name}"), "TOOL", None)
        if kind is not None:
            kinds[kind.name] = kind
    return kinds
