"""One file a command, found by being here. A file offers `HELP`, `add(parser)` and `execute(options) -> int`."""

import argparse
import importlib
import pkgutil
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


def names() -> list[str]:
    """Return the names of all commands."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Command:
    """Return a command, with all that it imports."""
    command: Command = importlib.import_module(f"{__name__}.{name}")
    return command
