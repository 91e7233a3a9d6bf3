"""What the engine asks of a generator."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from loadtests.outcome import Outcome
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


@runtime_checkable
class Verifies(Protocol):
    """A generator that can tell, after the load, whether the target kept what it was given, or what its answers were.

    Each process of a load has seen its own answers only: all of them tell, and one of them judges.
    """

    def tell(self) -> dict[str, Any]:
        """Return what this process knows of its answers, as JSON can hold it, when its last request has ended."""
        ...

    async def verify(self, told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Check the target's state as a whole against what all processes told; returns notes for the record.

        Called once, after the last request of all processes has ended, where `setup` was. Raises RequestFailed, with a
        kind, where the state is wrong; that is a violation of the whole run.
        """
        ...


@dataclass(frozen=True)
class Role:
    """A part that a service takes in a load of several targets: the protocols that will do."""

    protocols: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True)
class GeneratorKind:
    """One file of the folder offers one as `GENERATOR`.

    It drives one service that speaks one of the protocols `targets`, or several, one in each of its `roles`.
    `create` takes the `Target`, or a mapping from roles to `Target`s, and options of its own `Options`.
    """

    name: str
    targets: tuple[str, ...]
    Options: type[BaseModel]
    create: Callable[[Any, Any, Load], Generator]
    roles: Mapping[str, Role] = field(default_factory=dict)

    def mismatch(self, targets: Mapping[str, str]) -> str | None:
        """Say what is wrong with the protocols of `targets`, by role ("" for the only one); None: nothing is."""
        for role, protocol in targets.items():
            if not role and self.roles:
                return f"{self.name} drives several services: {', '.join(self.roles)}"
            if role and role not in self.roles:
                return f"{self.name} knows no role {role!r}: {', '.join(self.roles) or 'it drives one service'}"
            wanted = self.roles[role].protocols if role else self.targets
            if protocol not in wanted:
                return f"{self.name} drives {', '.join(wanted)}{role and f' as {role}'}, not {protocol}"
        missing = [role for role, part in self.roles.items() if role not in targets and not part.optional]
        return f"{self.name} needs a service as {', '.join(missing)}" if missing else None
