"""Vector databases: one file each, found by being here. A file offers its kind as `BACKEND`."""

import importlib
import pkgutil
from functools import cache

from loadtests.vectors.base import BackendKind


@cache
def registry() -> dict[str, BackendKind]:
    """Return every backend by the protocol that its service speaks."""
    kinds: dict[str, BackendKind] = {}
    for module in pkgutil.iter_modules(__path__):
        kind = getattr(importlib.import_module(f"{__name__}.{module.name}"), "BACKEND", None)
        if kind is not None:
            kinds[kind.protocol] = kind
    return kinds
