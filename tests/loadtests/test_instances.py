"""A load on several instances: turns, set-up, and what is checked after it."""

import asyncio
from collections import Counter

import pytest

from loadtests import instances
from loadtests.generators.base import GeneratorKind, Verifies
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import LoadPlan, Target
from runs.recipe import Load, Strict


class NoOptions(Strict):
    """None."""


class Counting:
    """Counts what it is asked."""

    def __init__(self, target, _options, _load):
        self.target, self.asked, self.closed = target, [], False

    async def setup(self):
        """Prepare."""
        if self.url.endswith("broken"):
            raise SetupError("no data")
        return {"url": self.url}

    @property
    def url(self):
        """Where it is."""
        return self.target.url if isinstance(self.target, Target) else self.target["llm"].url

    async def attach(self):
        """Nothing to do."""

    async def request(self, number, _outcome):
        """Note the number."""
        self.asked.append(number)

    async def close(self):
        """Note the end."""
        self.closed = True


class Checking(Counting):
    """One whose target keeps a state."""

    def tell(self):
        """Say how much was sent."""
        return {"sent": len(self.asked)}

    async def verify(self, told):
        """Say how much was kept."""
        if self.url.endswith("lost"):
            raise RequestFailed("lost", "a row is missing")
        return {"rows": sum(each["sent"] for each in told)}


def made(kind, *urls):
    """Return a generator of as many instances."""
    load = Load.model_validate({"generator": "x", "phases": [{"name": "steady", "for": "1s", "rate": 1}]})
    first, *more = (Target(protocol="p", url=url) for url in urls)
    plan = LoadPlan(
        run_id="r", load=load, target=first, more=tuple({"": each} for each in more),
        output="/", listen="127.0.0.1:0", token_file="/x",
    )  # fmt: skip
    return instances.create(GeneratorKind("x", ("p",), NoOptions, kind), plan, NoOptions(), load)


def test_one_instance_is_the_generator_itself():
    """Nothing stands between the engine and the only instance."""
    assert isinstance(made(Counting, "http://a"), Counting)


def test_requests_go_to_all_in_turn():
    """Request N goes to instance N modulo their number, also where this process has every second one only."""
    load = made(Counting, "http://a", "http://b", "http://c")

    async def run():
        notes = await load.setup()
        assert [each["url"] for each in notes["instances"]] == ["http://a", "http://b", "http://c"]
        for number in range(0, 18, 2):
            await load.request(number, Outcome())
        await load.close()

    asyncio.run(run())
    parts = load._generators
    assert [part.asked for part in parts] == [[0, 6, 12], [4, 10, 16], [2, 8, 14]]
    assert all(part.closed for part in parts)
    assert not isinstance(load, Verifies)


def test_each_instance_is_set_up_and_checked():
    """One that cannot be set up fails the set-up; one that lost its state is a violation of the whole."""
    with pytest.raises(SetupError, match="no data"):
        asyncio.run(made(Counting, "http://a", "http://broken").setup())
    sound = made(Checking, "http://a", "http://b")
    assert isinstance(sound, Verifies)
    told = [{"instances": [{"sent": 1}, {"sent": 2}]}, {"instances": [{"sent": 10}, {"sent": 20}]}]
    assert asyncio.run(sound.verify(told)) == {"instances_after": [{"rows": 11}, {"rows": 22}]}
    lost = made(Checking, "http://a", "http://lost")
    with pytest.raises(RequestFailed, match="a row is missing"):
        asyncio.run(lost.verify([lost.tell()]))


def test_rounds_are_balanced_in_every_role():
    """Two of one role and three of another make six turns, each instance as often as its like."""
    turns = instances.rounds({"llm": ["l0", "l1"], "vectors": ["v0", "v1", "v2"]})
    assert Counter(turn["llm"] for turn in turns) == {"l0": 3, "l1": 3}
    assert Counter(turn["vectors"] for turn in turns) == {"v0": 2, "v1": 2, "v2": 2}
    assert len({tuple(turn.values()) for turn in turns}) == 6
