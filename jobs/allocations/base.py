"""What the supervisor asks of an allocation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from jobs.program import Program
from runs.manifest import Node, Process


class Handle(Protocol):
    """A started program."""

    record: Process

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal), or None while it runs."""
        ...

    def stop(self) -> int | None:
        """Ask the program to end, make it end when its time is up, wait until it is gone; returns the exit code."""
        ...


class AllocationError(Exception):
    """The allocation cannot do what was asked; the text says what and the mend."""


class Allocation(Protocol):
    """The nodes of a run, and how to do things on them."""

    kind: Literal["local", "slurm"]
    notes: tuple[str, ...]
    """What a reader should know of it; complete when `nodes` has returned."""
    seconds_left: float | None
    """Seconds until an allocation ends that gives no warning before; None: it does, or has no end."""

    def nodes(self, ports: int) -> tuple[list[Node], list[list[int]]]:
        """Return the nodes with their facts, and for each a list of `ports` free ports. Raises AllocationError."""
        ...

    def facts(self) -> dict[str, str]:
        """Return what the resource manager says of the allocation."""
        ...

    def call(self, node: int, argv: Sequence[str], env: Mapping[str, str], log: Path, timeout: float) -> int:
        """Run a command to its end on a node, its output appended to `log`; returns the exit code."""
        ...

    def start(self, program: Program, env: Mapping[str, str], log: Path) -> Handle:
        """Start a program on its node. Raises jobs.program.StartError."""
        ...

    def clean(self, scratch: Path) -> None:
        """End what is left of the run on the nodes other than the head, and remove its scratch directory there.

        Raises AllocationError: something still runs.
        """
        ...
