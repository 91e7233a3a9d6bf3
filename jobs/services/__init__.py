"""The service catalogue: one file a kind, found by being here. A file offers its kind as `SERVICE`."""

import importlib
import pkgutil
from functools import cache

from jobs.services.base import ServiceKind


@cache
def catalogue() -> dict[str, ServiceKind]:
    """Return every service kind by the word a recipe uses for it."""
    kinds: dict[str, ServiceKind] = {}
    for module in pkgutil.iter_modules(__path__):
        kind = getattr(importlib.import_module(f"{__name__}.{module.name}"), "SERVICE", None)
        if kind is not None:
            kinds[kind.kind] = kind
    return kinds
