"""What a load asks of a program that makes its own requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from loadtests.generators.base import Role
from loadtests.plan import LoadPlan, Target
from loadtests.tools.stage import Stage
from runs.recipe import Load, Phase


class ToolError(Exception):
    """A tool failed in the middle of a load; the text says how and the mend."""


class Tool(Protocol):
    """Drives one target by a program of others, and brings what that measured into our records.

    What the program writes is kept in the folder of the tool's name in the run's load/.
    """

    async def setup(self) -> dict[str, Any]:
        """Find the program and see that it can run; returns notes for the record. Raises SetupError."""
        ...

    async def run(self, stage: Stage) -> None:
        """Run one phase to its end, or until `stage.asked` is set, which must not take long. Raises ToolError.

        Whatever was measured until then is told to `stage`.
        """
        ...

    async def close(self) -> None:
        """End what still runs."""
        ...


def as_asked(load: Load, _options: Any) -> tuple[Phase, ...]:
    """Return the phases of the recipe."""
    return load.stages


@dataclass(frozen=True)
class ToolKind:
    """One file of the folder offers one as `TOOL`; it stands beside `generators.base.GeneratorKind`.

    No `targets`: it drives any protocol. `alone`: it can do without a service at all. `phases` says which phases it
    makes of those of a recipe, `told` which options a target brings. `create` takes options of its own `Options`.
    """

    name: str
    Options: type[BaseModel]
    create: Callable[[LoadPlan, Any], Tool]
    targets: tuple[str, ...] = ()
    alone: bool = False
    phases: Callable[[Load, Any], tuple[Phase, ...]] = as_asked
    told: Callable[[Target], Mapping[str, Any]] = lambda _target: {}
    roles: Mapping[str, Role] = field(default_factory=dict)

    def read(self, plan: LoadPlan) -> BaseModel:
        """Return the options of a plan, with what its target says of them. Raises pydantic.ValidationError."""
        told = self.told(plan.target) if plan.target is not None else {}
        return self.Options.model_validate({**plan.load.options, **told})

    def mismatch(self, targets: Mapping[str, str]) -> str | None:
        """See `loadtests.generators.base.GeneratorKind.mismatch`."""
        if any(targets):
            return f"{self.name} drives one service: use `target`"
        if not targets and not self.alone:
            return f"{self.name} needs a service to drive"
        unfit = [protocol for protocol in targets.values() if self.targets and protocol not in self.targets]
        return f"{self.name} drives {', '.join(self.targets)}, not {unfit[0]}" if unfit else None

    def arranged(self, load: Load, options: Any) -> Load:
        """Return the load with the phases that the tool makes of it."""
        return load.model_copy(update={"phases": self.phases(load, options)})
