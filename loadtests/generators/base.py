"""What the engine asks of a generator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from loadtests.outcome import Outcome
from loadtests.plan import Target
from runs.recipe import Load


class Generator(Protocol):
    """Sends requests to one target. What request number N holds depends on the seed and N only.

    A load may be shared by several processes, each with a generator of its own: one of them calls `setup`, then all
    others `attach`.
    """

    async def setup(self) -> dict[str, Any]:
        """Prepare the target (data, indexes, truth) and be ready to send; returns notes for the record.

        Raises SetupError.
        """
        ...

    async def attach(self) -> None:
        """Be ready to send to a target that another process has set up. Raises SetupError."""
        ...

    async def request(self, number: int, outcome: Outcome) -> None:
        """Send request `number` and check its answer, filling `outcome` on the way. Raises RequestFailed.

        Calls `outcome.leave()` when it turns to the network. May be cancelled at any time. Any other exception is a
        failed request too, of the kind `client_error`.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True)
class GeneratorKind:
    """One file of the folder offers one as `GENERATOR`; `create` takes options of its own `Options`."""

    name: str
    targets: tuple[str, ...]
    Options: type[BaseModel]
    create: Callable[[Target, Any, Load], Generator]
