"""Load generators: one file a protocol, found by being here. A file offers its kind as `GENERATOR`."""

import importlib
import pkgutil
from functools import cache

from loadtests.generators.base import GeneratorKind


@cache
def registry() -> dict[str, GeneratorKind]:
    """Return every generator kind by the word a recipe uses for it."""
    kinds: dict[str, GeneratorKind] = {}
    for module in pkgutil.iter_modules(__path__):
        kind = getattr(importlib.import_module(f"{__name__}.{module.name}"), "GENERATOR", None)
        if kind is not None:
            kinds[kind.name] = kind
    return kinds
