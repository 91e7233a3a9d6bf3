"""CPU of a plain request: our load beside k6 and wrk, on the same server."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from benchmarks.figures import Goal, Spread, show
from benchmarks.loadtests import others
from benchmarks.loadtests.disturbance import tell
from benchmarks.loadtests.scraper import scraped
from benchmarks.loadtests.size import Size
from benchmarks.loadtests.stage import Plan, Server, Stage, Use, measure, running, staged

_USERS = 10
_RATE = 1000
_ENOUGH = 600
"""Seconds that each load would go on if it were not told to end."""

_CLOSED = f"{_USERS} connections, each asks again at once"
_OPEN = f"{_RATE} requests/s, evenly spaced"
_GOALS = {_CLOSED: 3.0, _OPEN: 1.0}
"""Times k6's CPU, k6 writing each request to disk as we do."""

_K6, _K6_CSV, _OURS = "k6", "k6 writing CSV", "dashcam, GET"


@dataclass(frozen=True)
class _Load:
    words: Sequence[str]
    environment: Mapping[str, str] | None = None
    plan: Plan | None = None


def _loads(stage: Stage, server: Server, how: str) -> dict[str, _Load]:
    """Return the loads that can go `how`. Wrk knows no rate."""
    rate = None if how == _CLOSED else _RATE
    asked = {"users": _USERS} if rate is None else {"rate": rate, "arrival": "constant"}
    phase = {"name": "steady", "for": _ENOUGH, **asked}
    get = stage.plan(f"{server.url}/", phase, generator="plain")
    post = stage.plan(f"{server.url}/whole", phase, options={"stream": False})
    loads = {}
    if rate is None and others.wrk_there():
        loads["wrk"] = _Load(others.wrk(f"{server.url}/", _USERS, _ENOUGH))
    for name, csv in ((_K6, False), (_K6_CSV, True)):
        users = _USERS if rate is None else 5 * _USERS
        words = others.k6(stage.place(), f"{server.url}/", users=users, seconds=_ENOUGH, rate=rate, csv=csv)
        loads[name] = _Load(words, others.k6_environment())
    loads[_OURS] = _Load(get.words("benchmarks.loadtests.plain"), plan=get)
    loads["dashcam, openai, whole answers"] = _Load(post.words(), plan=post)
    return loads


def run(size: Size) -> list[Goal]:
    """Measure and print."""
    goals: list[Goal] = []
    for how in (_CLOSED, _OPEN):
        found: dict[str, list[Use]] = {}
        with staged() as stage:
            server = stage.server()
            for turn in range(size.rounds):
                loads = list(_loads(stage, server, how).items())
                first = turn % len(loads)
                for name, load in (*loads[first:], *loads[:first]):
                    watch = scraped(load.plan) if load.plan else nullcontext()
                    with running(load.words, load.environment) as process, watch:
                        found.setdefault(name, []).append(measure(process, server, size.settle, size.seconds))
        goals.append(_report(how, found, size))
    return goals


def _report(how: str, found: Mapping[str, list[Use]], size: Size) -> Goal:
    costs = {name: [use.cpu / use.answers for use in uses] for name, uses in found.items()}
    ratios = {name: [a / b for a, b in zip(own, costs[_K6_CSV], strict=True)] for name, own in costs.items()}
    rows = [
        (
            name,
            *(Spread.of(use.answers / use.seconds for use in found[name]).cells(digits=0)[1],),
            *Spread.of(costs[name]).cells(1e6, 1),
            *Spread.of(ratios[name]).cells(),
        )
        for name in sorted(found, key=lambda name: Spread.of(costs[name]).middle)
    ]
    head = ("load", "requests/s", "us min", "median", "max", "ratio min", "median", "max")
    title = (
        f"CPU of a request, and its ratio to k6's with CSV: {how}; {size.rounds} rounds of {size.seconds:g} s, in turn"
    )
    show(title, head, rows)
    tell(use for uses in found.values() for use in uses)
    text = f"CPU of a GET over that of k6 writing CSV, {how}"
    return Goal(text, _GOALS[how], "times", Spread.of(ratios[_OURS]))
