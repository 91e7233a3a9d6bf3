"""Other tools' results, in our columns: one file a tool, found by being here. A file offers its kind as `IMPORTER`."""

import importlib
import pkgutil
from functools import cache
from pathlib import Path

from loadtests.importers.base import Imported, ImporterError, ImporterKind


@cache
def registry() -> dict[str, ImporterKind]:
    """Return every importer by the word a recipe uses for it."""
    kinds: dict[str, ImporterKind] = {}
    for module in pkgutil.iter_modules(__path__):
        kind = getattr(importlib.import_module(f"{__name__}.{module.name}"), "IMPORTER", None)
        if kind is not None:
            kinds[kind.name] = kind
    return kinds


def read(kind: str, path: Path) -> Imported:
    """Read a file of another tool. Raises ImporterError for an unknown kind, and for a file that is not of it."""
    importer = registry().get(kind)
    if importer is None:
        raise ImporterError(path, f"no importer {kind!r}", f"there are {', '.join(sorted(registry()))}")
    return importer.read(path)
