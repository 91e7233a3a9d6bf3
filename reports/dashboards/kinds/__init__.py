"""Kinds of panels: a file of this folder that offers `KIND` draws one. Nothing else has to be told of it."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from reports.dashboards.kinds.base import Kind


@cache
def kinds() -> Mapping[str, Kind]:
    """Return every kind by each of Grafana's names for it."""
    found: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(__path__):
        kind = getattr(importlib.import_module(f"{__name__}.{module.name}"), "KIND", None)
        if isinstance(kind, Kind):
            found |= dict.fromkeys(kind.names, kind)
    return found
