"""CPU of a streamed event and time to the first one: our load beside a reader that only reads bytes."""

import sys
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.figures import Goal, Spread, show
from benchmarks.loadtests.disturbance import tell
from benchmarks.loadtests.scraper import scraped
from benchmarks.loadtests.size import Size
from benchmarks.loadtests.stage import Server, Stage, Use, measure, running, staged
from loadtests import records
from loadtests.clock import Clock
from runs.samples import nearest_rank

_EVENTS = 20
"""Of an answer."""
_TOGETHER = 5000.0
"""Events a second of all streams together, where one stream would not need less than the shortest gap for it."""
_SHORTEST = 0.002

_GOAL_EVENT = 3.0
"""Times the CPU of the bare reader, at the largest number of streams."""
_GOALS_FIRST = {1: 0.5, 100: 1.0, 1000: 5.0}
"""Milliseconds that may be added to the median time to the first event, by the number of streams."""

_OURS, _BARE = "dashcam, openai", "bare reader"


@dataclass(frozen=True)
class _Found:
    """One round: CPU seconds an event, and median and p99 of the seconds to the first one."""

    use: Use
    event: float
    p50: float
    p99: float

    @classmethod
    def of(cls, use: Use, firsts: list[float]) -> "_Found":
        assert firsts, "no stream began while it was measured"
        ordered = np.sort(np.array(firsts))
        return cls(use, use.cpu / use.events, nearest_rank(ordered, 0.5), nearest_rank(ordered, 0.99))


def run(size: Size) -> list[Goal]:
    """Measure and print."""
    goals: list[Goal] = []
    rows, uses = [], []
    for streams in size.streams:
        gap = max(_SHORTEST, streams / _TOGETHER)
        found: dict[str, list[_Found]] = {_BARE: [], _OURS: []}
        with staged() as stage:
            server = stage.server(_EVENTS, gap)
            for turn in range(size.rounds):
                for name in (_BARE, _OURS) if turn % 2 == 0 else (_OURS, _BARE):
                    one = _bare if name == _BARE else _ours
                    found[name].append(one(stage, server, streams, gap * _EVENTS, size))
        rows += [_row(streams, name, found) for name in found]
        uses += [one.use for each in found.values() for one in each]
        goals += _goals(streams, found, last=streams == size.streams[-1])
    head = ("streams", "reader", "events/s", "us/event min", "median", "max", "ratio", "TTFT p50 ms min", "median",
            "max", "p99")  # fmt: skip
    title = (
        f"CPU of an event, and time to the first one (the server sends it at once): answers of {_EVENTS} events; "
        f"{size.rounds} rounds of {size.seconds:g} s, in turn"
    )
    show(title, head, rows)
    tell(uses)
    return goals


def _bare(stage: Stage, server: Server, streams: int, stagger: float, size: Size) -> _Found:
    del stage
    words = (sys.executable, "-P", "-m", "benchmarks.loadtests.reader", str(server.port), str(streams), str(stagger))
    with running(words) as process:
        use = measure(process, server, stagger + size.settle, size.seconds)
        process.terminate()
        output, _ = process.communicate(timeout=30)
    pairs = (tuple(map(float, line.split())) for line in output.splitlines())
    return _Found.of(use, [first for sent, first in pairs if use.begin <= sent < use.end])


def _ours(stage: Stage, server: Server, streams: int, stagger: float, size: Size) -> _Found:
    phase = {"name": "steady", "for": 600, "users": streams, "stagger": stagger}
    plan = stage.plan(f"{server.url}/streams", phase, options={"max_tokens": _EVENTS})
    clock = Clock()
    with running(plan.words()) as process, scraped(plan):
        use = measure(process, server, stagger + size.settle, size.seconds)
        process.terminate()
        process.communicate(timeout=30)
    records.finish(plan.output)
    table = pq.read_table(plan.output / records.PARQUET, columns=["intended", "first_token", "ok"])
    times = [table[name].cast("int64").to_pylist() for name in ("intended", "first_token")]
    begin, end = clock.utc_ns(use.begin), clock.utc_ns(use.end)
    wrong = pc.sum(pc.invert(table["ok"])).as_py() or 0
    assert wrong <= streams, f"{wrong} of {table.num_rows} requests failed"  # those cut off at the end
    return _Found.of(use, [(b - a) / 1e9 for a, b in zip(*times, strict=True) if b is not None and begin <= a < end])


def _row(streams: int, name: str, found: dict[str, list[_Found]]) -> tuple[str, ...]:
    own = found[name]
    ratio = Spread.of(a.event / b.event for a, b in zip(own, found[_BARE], strict=True))
    return (
        str(streams),
        name,
        Spread.of(one.use.events / one.use.seconds for one in own).cells(digits=0)[1],
        *Spread.of(one.event for one in own).cells(1e6, 1),
        ratio.cells()[1],
        *Spread.of(one.p50 for one in own).cells(1e3),
        Spread.of(one.p99 for one in own).cells(1e3)[1],
    )


def _goals(streams: int, found: dict[str, list[_Found]], *, last: bool) -> list[Goal]:
    pairs = list(zip(found[_OURS], found[_BARE], strict=True))
    added = Spread.of(1e3 * (ours.p50 - bare.p50) for ours, bare in pairs)
    goals = [Goal(f"median TTFT added at {streams} streams", _GOALS_FIRST.get(streams, 5.0), "ms", added)]
    if last:
        text = f"CPU of an event over the bare reader's at {streams} streams"
        goals.append(Goal(text, _GOAL_EVENT, "times", Spread.of(ours.event / bare.event for ours, bare in pairs)))
    return goals
