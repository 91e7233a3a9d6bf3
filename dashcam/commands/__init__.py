"""One file a command, found by being here. A file offers `HELP`, `add(parser)` and `execute(options) -> int`."""

import argparse
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Protocol


class Command(Protocol):
    """What a file of this folder offers. Its name is the command's."""

    HELP: str

    def add(self, parser: argparse.ArgumentParser) -> None:
        """Describe the command's own arguments."""
        ...

    def execute(self, options: argparse.Namespace) -> int:
        """Do it; returns the exit code."""
        ...


def commands() -> Iterator[tuple[str, Command]]:
    """Yield every command by its name."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        yield module.name, importlib.import_module(f"{__name__}.{module.name}")
