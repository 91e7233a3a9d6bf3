"""Who decides that a phase ends before its time: the load process itself, or the parent of several."""

import time
from collections.abc import Callable
from typing import Protocol

from loadtests.progress import Stop
from loadtests.steady import Steadiness, Sums
from runs.recipe import Load

End = Callable[[int, float, Stop], None]
"""Ends a phase, by its index, at a time of `time.monotonic`, and says why."""


class Referee(Protocol):
    """Is told what a stop rule may rest on. The index is that of a phase in the load's stages."""

    def used_up(self, index: int) -> None:
        """Hear that this process has begun all requests of a closed loop that are its share."""
        ...

    def batch(self, index: int, number: int, sums: Sums) -> None:
        """Hear what is counted at the end of batch `number` of a phase that ends when it is steady."""
        ...


class Alone:
    """The referee of a load of one process: it decides at once."""

    def __init__(self, load: Load, end: End) -> None:
        self._end = end
        self._rules = {index: Steadiness(phase.window) for index, phase in enumerate(load.stages) if phase.until}

    def used_up(self, index: int) -> None:
        """See `Referee`."""
        self._end(index, time.monotonic(), "requests")

    def batch(self, index: int, number: int, sums: Sums) -> None:  # noqa: ARG002 - batches come in their order here
        """See `Referee`."""
        if self._rules[index].add(sums):
            self._end(index, time.monotonic(), "steady")
