"""The collectors by name: a file of this folder that offers `COLLECTOR` is one. Nothing else has to be told of it."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

import exporters
from exporters.collector import CollectorKind

_PLUMBING = frozenset({"__main__", "cli", "registry", "runner", "server"})
"""Not looked into: `__main__` would run, and the server's asyncio is nothing that a list of names should load.
Neither are modules with an underscore in their names: they are parts of the collector named before it."""


@cache
def collectors() -> Mapping[str, CollectorKind]:
    """Return every kind of collector by its name, sorted."""
    kinds: dict[str, CollectorKind] = {}
    for module in pkgutil.iter_modules(exporters.__path__):
        if module.name in _PLUMBING or "_" in module.name:
            continue
        kind = getattr(importlib.import_module(f"exporters.{module.name}"), "COLLECTOR", None)
        if isinstance(kind, CollectorKind):
            kinds[kind.name] = kind
    return dict(sorted(kinds.items()))


def names() -> list[str]:
    """Return the names of all collectors, sorted."""
    return list(collectors())
