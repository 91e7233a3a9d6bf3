"""How late requests leave: from the intended time to the sending, as the load itself tells it."""

from dataclasses import dataclass

from benchmarks.figures import Goal, Spread, show
from benchmarks.loadtests.disturbance import QUIET, tell
from benchmarks.loadtests.scraper import scraped
from benchmarks.loadtests.size import Size
from benchmarks.loadtests.stage import Server, Stage, Use, measure, running, staged
from loadtests import progress
from loadtests.progress import Result

_CASES = ((100, "constant"), (100, "poisson"), (1000, "constant"), (1000, "poisson"))
_GOAL_MS = 1.0
_SAMPLES = 445
"""A Poisson count of so many holds the 368 that a p99 needs (`runs.search`)."""
_LONG = 1.0
"""Seconds of a round in which the client may be looked at until shortly before its end."""


@dataclass(frozen=True)
class _Found:
    """One round; lags in seconds."""

    use: Use
    p50: float
    p99: float
    longest: float


def run(size: Size) -> list[Goal]:
    """Measure and print."""
    found: dict[tuple[int, str], list[_Found]] = {case: [] for case in _CASES}
    with staged() as stage:
        server = stage.server()
        for _ in range(size.rounds):
            for rate, arrival in _CASES:
                found[rate, arrival].append(_lags(stage, server, rate, arrival, size))
    rows = []
    for (rate, arrival), each in found.items():
        p50, p99 = Spread.of(one.p50 for one in each), Spread.of(one.p99 for one in each)
        quiet = [one.p99 for one in each if one.use.others <= QUIET]
        told = (f"{len(quiet)} of {len(each)}", Spread.of(quiet).cells(1e3, 3)[1] if quiet else "-")
        longest = Spread.of(one.longest for one in each).cells(1e3)
        rows.append((f"{rate}, {arrival}", *p50.cells(1e3, 3), *p99.cells(1e3, 3), *told, longest[1]))
    head = ("requests/s", "p50 ms min", "median", "max", "p99 ms min", "median", "max", "quiet rounds", "their p99",
            "longest")  # fmt: skip
    title = (
        f"Client lag, `openai` with whole answers, scraped each second; "
        f"{size.rounds} rounds of {size.seconds:g} s, or as many as a p99 takes, in turn; "
        f"in quiet ones others kept {QUIET:g} cores busy at most"
    )
    show(title, head, rows)
    tell(one.use for each in found.values() for one in each)
    return [
        Goal(f"client lag p99 at {rate}/s, {arrival}", _GOAL_MS, "ms", Spread.of(one.p99 * 1e3 for one in each))
        for (rate, arrival), each in found.items()
    ]


def _lags(stage: Stage, server: Server, rate: int, arrival: str, size: Size) -> _Found:
    seconds = max(size.seconds, _SAMPLES / rate)
    asked = {"rate": rate, "arrival": arrival}
    phases = {"name": "warmup", "for": size.settle, **asked}, {"name": "steady", "for": seconds, **asked}
    plan = stage.plan(f"{server.url}/whole", *phases, options={"stream": False})
    with running(plan.words()) as process, scraped(plan):
        use = measure(process, server, size.settle, 0.9 * seconds if seconds > _LONG else seconds / 2)
        process.wait(30)
    result = Result.model_validate_json((plan.output / progress.RESULT).read_bytes())
    steady = result.phases[-1]
    assert steady.failed == 0, f"{steady.failed} requests failed: {result.errors}"
    assert steady.lag_p50 is not None
    assert steady.lag_p99 is not None
    assert steady.lag_max is not None
    return _Found(use, steady.lag_p50, steady.lag_p99, steady.lag_max)
