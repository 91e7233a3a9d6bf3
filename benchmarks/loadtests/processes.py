"""Requests a second of one load process and of two."""

from benchmarks.figures import Goal, Spread, show
from benchmarks.loadtests.disturbance import tell
from benchmarks.loadtests.scraper import scraped
from benchmarks.loadtests.size import Size
from benchmarks.loadtests.stage import Use, measure, running, staged

_COUNTS = (1, 2)
_USERS = 20
_GOAL = 1.7
"""Times: the server takes part of the second core, so that two cores cannot give twice as much."""


def run(size: Size) -> list[Goal]:
    """Measure and print."""
    found: dict[int, list[Use]] = {count: [] for count in _COUNTS}
    with staged() as stage:
        server = stage.server()
        for _ in range(size.rounds):
            for count in _COUNTS:
                phase = {"name": "steady", "for": 600, "users": _USERS}
                plan = stage.plan(f"{server.url}/whole", phase, options={"stream": False}, processes=count)
                with running(plan.words()) as process, scraped(plan):
                    found[count].append(measure(process, server, size.settle, size.seconds))
    rows = [
        (
            str(count),
            *Spread.of(use.answers / use.seconds for use in uses).cells(digits=0),
            Spread.of(use.cpu / use.seconds for use in uses).cells()[1],
            Spread.of(use.served / use.seconds for use in uses).cells()[1],
        )
        for count, uses in found.items()
    ]
    how = f"{_USERS} users that ask again at once; {size.rounds} rounds of {size.seconds:g} s, in turn"
    head = ("processes", "requests/s min", "median", "max", "cores of the load", "of the server")
    show(f"`openai` with whole answers, {how}", head, rows)
    tell(use for uses in found.values() for use in uses)
    pairs = zip(*found.values(), strict=True)
    ratio = Spread.of((two.answers / two.seconds) / (one.answers / one.seconds) for one, two in pairs)
    return [Goal("requests/s of two processes over those of one", _GOAL, "times", ratio, least=True)]
