"""Memory of the load against the number of requests that it has sent."""

from functools import partial

from benchmarks.figures import Goal, Spread, show
from benchmarks.loadtests.scraper import scraped
from benchmarks.loadtests.size import Size
from benchmarks.loadtests.stage import Server, running, staged, until
from benchmarks.meter import memory

_USERS = 10
_MB = 1e6
_GOAL = 1.05
_WITHIN = 200.0


def _reached(server: Server, answers: int) -> bool:
    return server.counts.answers >= answers


def run(size: Size) -> list[Goal]:
    """Measure and print."""
    rounds = max(1, size.rounds // 2)
    found: list[list[float]] = []
    with staged() as stage:
        server = stage.server()
        for _ in range(rounds):
            plan = stage.plan(
                f"{server.url}/whole", {"name": "steady", "for": 3600, "users": _USERS}, options={"stream": False}
            )
            begun = server.counts.answers
            seen: list[float] = []
            with running(plan.words()) as process, scraped(plan):
                for requests in size.requests:
                    until(process, partial(_reached, server, begun + requests), _WITHIN)
                    seen.append(memory(process.pid).resident / _MB)
            found.append(seen)
    rows = [
        (f"{requests:,}", *Spread.of(seen[place] for seen in found).cells(digits=1))
        for place, requests in enumerate(size.requests)
    ]
    show(
        f"RSS in MB (10^6 bytes), one load process, `openai` with whole answers, {_USERS} users; {rounds} rounds",
        ("requests sent", "min", "median", "max"),
        rows,
    )
    first, last = size.requests[0], size.requests[-1]
    ratio = Spread.of(seen[-1] / seen[0] for seen in found)
    return [Goal(f"memory after {last:,} requests over that after {first:,}", _GOAL, "times", ratio)]
