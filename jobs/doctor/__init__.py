"""The preflight: one check a file, found by being here. A file offers its check as `CHECK`."""

import importlib
import pkgutil

from jobs.doctor.base import GROUPS, Check


def checks() -> list[Check]:
    """Return every check, in the order in which a person reads them."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("__"):
            continue  # it would run
        check = getattr(importlib.import_module(f"{__name__}.{module.name}"), "CHECK", None)
        if isinstance(check, Check):
            found.append(check)
    return sorted(found, key=lambda check: (GROUPS.index(check.group), check.order, check.name))
