"""A load on several instances of what it drives: request N goes to instance N modulo their number."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from loadtests.generators.base import Generator, GeneratorKind, Verifies
from loadtests.outcome import Outcome
from loadtests.plan import LoadPlan
from runs.recipe import Load


class Balanced:
    """As many generators as there are instances; each instance is set up, and its answers are checked, on its own."""

    def __init__(self, generators: Sequence[Generator]) -> None:
        self._generators = generators

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`. The notes are those of each instance."""
        notes = await _all([each.setup() for each in self._generators])
        return {"instances": notes, "balanced": f"request N went to instance N % {len(notes)}"}

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        await _all([each.attach() for each in self._generators])

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        await self._generators[number % len(self._generators)].request(number, outcome)

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        await _all([each.close() for each in self._generators])


class VerifiedBalanced(Balanced):
    """One whose generators can check the state of their instances."""

    @property
    def _checks(self) -> list[Verifies]:
        return [each for each in self._generators if isinstance(each, Verifies)]

    def tell(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Verifies`."""
        return {"instances": [each.tell() for each in self._checks]}

    async def verify(self, told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """See `loadtests.generators.base.Verifies`. Each instance is held against what was told of it."""
        of_each = zip(*(each["instances"] for each in told), strict=True)
        checks = [each.verify(facts) for each, facts in zip(self._checks, of_each, strict=True)]
        return {"instances_after": await _all(checks)}


async def _all(steps: Sequence[Any]) -> list[Any]:
    """Take all steps at once and to their ends; the first error is raised then."""
    ends = await asyncio.gather(*steps, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return ends


def create(kind: GeneratorKind, plan: LoadPlan, options: BaseModel, load: Load) -> Generator:
    """Return the generator of a plan: one for each instance where there are several."""
    aims = [plan.targets or plan.target, *(more if plan.targets else more[""] for more in plan.more)]
    generators = [kind.create(aim, options, load) for aim in aims]
    if len(generators) == 1:
        return generators[0]
    return VerifiedBalanced(generators) if isinstance(generators[0], Verifies) else Balanced(generators)


def rounds(instances: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return what each generator drives, by role: so many that every role's instances come equally often."""
    count = math.lcm(*map(len, instances.values()))
    return [{role: found[turn % len(found)] for role, found in instances.items()} for turn in range(count)]
