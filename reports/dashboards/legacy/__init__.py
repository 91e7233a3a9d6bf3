"""Shapes of older Grafanas, made into today's.

A file here that has an `OLD`, names of panel kinds with what makes them new, is found by being here; it is given the
panel and returns the new one with what is to be said of it. What Grafana itself makes of old shapes is followed:
public/app/features/dashboard/state/DashboardMigrator.ts and the migrations.ts of its panels.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from reports.dashboards.reading import text

Old = Mapping[str, Any]
Maker = Callable[[Old], tuple[Old, list[str]]]


@cache
def makers() -> Mapping[str, Maker]:
    """Return what makes a panel new, by the kind of panel."""
    found: dict[str, Maker] = {}
    for module in pkgutil.iter_modules(__path__):
        found |= getattr(importlib.import_module(f"{__name__}.{module.name}"), "OLD", {})
    return found


def panel(one: Old) -> tuple[Old, list[str]]:
    """Return a panel of a kind and shape that Grafana still has, and what is to be said of it."""
    maker = makers().get(text(one.get("type")))
    return maker(one) if maker else (one, [])
