"""How late requests leave: from the intended time to the sending, as the load itself tells it."""

from benchmarks.figures import Goal, Spread, show
from benchmarks.loadtests.disturbance import tell
from benchmarks.loadtests.scraper import scraped
from benchmarks.loadtests.size import Size
from benchmarks.loadtests.stage import Server, Stage, Use, measure, running, staged
from loadtests import progress
from loadtests.progress import Result

_CASES = ((100, "constant"), (100, "poisson"), (1000, "constant"), (1000, "poisson"))
_GOAL_MS = 1.0


def run(size: Size) -> list[Goal]:
    """Measure and print."""
    found: dict[tuple[int, str], list[tuple[float, float, float]]] = {case: [] for case in _CASES}
    uses: list[Use] = []
    with staged() as stage:
        server = stage.server()
        for _ in range(size.rounds):
            for rate, arrival in _CASES:
                lags, use = _lags(stage, server, rate, arrival, size)
                found[rate, arrival].append(lags)
                uses.append(use)
    rows = []
    for (rate, arrival), each in found.items():
        p50, p99, longest = (Spread.of(one[place] for one in each) for place in range(3))
        rows.append((f"{rate}, {arrival}", *p50.cells(1e3, 3), *p99.cells(1e3, 3), longest.cells(1e3)[1]))
    head = ("requests/s", "p50 ms min", "median", "max", "p99 ms min", "median", "max", "longest")
    title = (
        f"Client lag, `openai` with whole answers, scraped each second; "
        f"{size.rounds} rounds of {size.seconds:g} s, in turn"
    )
    show(title, head, rows)
    tell(uses)
    return [
        Goal(f"client lag p99 at {rate}/s, {arrival}", _GOAL_MS, "ms", Spread.of(one[1] * 1e3 for one in each))
        for (rate, arrival), each in found.items()
    ]


def _lags(stage: Stage, server: Server, rate: int, arrival: str, size: Size) -> tuple[tuple[float, float, float], Use]:
    """Return p50, p99 and the longest in seconds."""
    asked = {"rate": rate, "arrival": arrival}
    phases = {"name": "warmup", "for": size.settle, **asked}, {"name": "steady", "for": size.seconds, **asked}
    plan = stage.plan(f"{server.url}/whole", *phases, options={"stream": False})
    with running(plan.words()) as process, scraped(plan):
        use = measure(process, server, size.settle, size.seconds / 2)
        process.wait(30)
    result = Result.model_validate_json((plan.output / progress.RESULT).read_bytes())
    steady = result.phases[-1]
    assert steady.failed == 0, f"{steady.failed} requests failed: {result.errors}"
    assert steady.lag_p50 is not None
    assert steady.lag_p99 is not None
    assert steady.lag_max is not None
    return (steady.lag_p50, steady.lag_p99, steady.lag_max), use
