"""The collectors by name: a file of this folder that offers `COLLECTOR` is one."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

import exporters
from exporters.collector import CollectorKind

_NOT_COLLECTORS = {"__main__", "cli", "collector", "registry", "runner", "server"}


@cache
def collectors() -> Mapping[str, CollectorKind]:
    """Return every kind of collector by its name."""
    kinds: dict[str, CollectorKind] = {}
    for module in pkgutil.iter_modules(exporters.__path__):
        if module.name not in _NOT_COLLECTORS:
            kind = getattr(importlib.import_module(f"exporters.{module.name}"), "COLLECTOR", None)
            if kind is not None:
                kinds[kind.name] = kind
    return kinds


def names() -> list[str]:
    """Return the names of all collectors."""
    return sorted(collectors())
