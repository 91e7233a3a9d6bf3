"""The search for the highest rate: its steps on simulated services, and its judgement of a probe's requests."""

import numpy as np
import pytest

from loadtests.outcome import Outcome
from loadtests.search import judge
from loadtests.search.judge import Request, Sample
from loadtests.search.ladder import Ladder
from reports import objectives
from runs.search import Search
from tests.reports import recording as made


def a_search(**changes):
    """Make a search from 5 to 500 requests/s."""
    return Search.model_validate({"start": 5, "most": 500, "resolution": "5%", "confirm": 2, **changes})


def climb(search, passes):
    """Run a search against `passes(rate)`; returns its ladder and the rates that were tried."""
    ladder, tried = Ladder(search), []
    while (rate := ladder.next()) is not None:
        tried.append(rate)
        ladder.tell(rate, passed=passes(rate))
    return ladder, tried


@pytest.mark.parametrize("edge", [5, 7.3, 20, 33.33, 159, 160, 161, 480, 499])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 1])
def test_a_sharp_edge_is_found_to_the_resolution(edge, share):
    """The highest passing rate lies at or below the edge, the lowest failing one above it, as near as was asked."""
    search = a_search(resolution=share)
    ladder, tried = climb(search, lambda rate: rate <= edge)
    assert ladder.end == "found"
    assert ladder.low <= edge < ladder.high <= ladder.low * (1 + share) * 1.0001
    assert ladder.monotonic
    assert sum(rate == ladder.low for rate in tried) == 2
    assert len(tried) <= len(list(search.doublings())) + search.halvings + 1
    assert max(tried) <= min(500, 2 * edge)


@pytest.mark.parametrize("seed", range(200))
def test_a_noisy_edge(seed):
    """Outcomes that are chance near the edge: never more probes than the limit, an edge that passed each time."""
    numbers = np.random.default_rng(seed)
    edge = float(numbers.uniform(10, 400))
    search = a_search(confirm=int(numbers.integers(1, 4)))

    def passes(rate):  # certain 15 % below the edge and 15 % above it
        return bool(numbers.random() < np.clip((1.15 * edge - rate) / (0.3 * edge), 0, 1))

    ladder, tried = climb(search, passes)
    assert len(tried) <= search.limit
    assert 0.75 * edge < ladder.low < 1.15 * edge
    assert ladder.low < ladder.high
    if ladder.end == "found":
        assert sum(rate == ladder.low for rate in tried) == search.confirm
        assert ladder.high <= ladder.low * 1.0501


def test_the_same_outcomes_give_the_same_rates():
    """Nothing but the outcomes decides what is tried next."""
    assert climb(a_search(), lambda rate: rate < 77)[1] == climb(a_search(), lambda rate: rate < 77)[1]
    assert climb(a_search(), lambda rate: rate < 77)[1][:6] == [5, 10, 20, 40, 80, 60]


def test_an_edge_out_of_range_is_told():
    """All that may be tried passes: the edge lies above. The first rate fails: it lies below, and nothing follows."""
    ladder, tried = climb(a_search(most=35), lambda _rate: True)
    assert (ladder.end, ladder.low, ladder.high, tried) == ("above", 35, None, [5, 10, 20, 35, 35])
    ladder, tried = climb(a_search(), lambda _rate: False)
    assert (ladder.end, ladder.low, ladder.high, tried) == ("below", None, 5, [5])


def test_a_confirmation_that_fails_steps_down():
    """A rate that passed once and failed once has failed; the search goes on below it and says it was not monotonic."""
    outcomes = iter([True, True, True, False, False, False, False, True])  # 5, 10, 20, 40; 30, 25, 22.5, 21.25
    ladder, tried = climb(a_search(), lambda rate: next(outcomes, rate < 20.5))
    assert tried[:8] == [5, 10, 20, 40, 30, 25, 22.5, 21.25]
    assert not ladder.monotonic or ladder.low >= 20
    flaky = {160: [True, False]}
    ladder, tried = climb(a_search(), lambda rate: flaky[rate].pop(0) if flaky.get(rate) else rate <= 160)
    assert (ladder.low < 160, ladder.high, ladder.end, ladder.monotonic) == (True, 160, "found", False)
    assert ladder.low >= 160 / 1.051


def test_a_probe_is_long_enough_for_its_percentile():
    """368 samples for a p99 and room for a Poisson count's noise; as long as was asked where that is more."""
    search = a_search(probe="20s")
    assert search.seconds(5, ["latency_p99"]) == pytest.approx((368 + 4 * 368**0.5) / 5)
    assert search.seconds(100, ["latency_p99", "ttft_p50"]) == 20
    assert search.seconds(5, ["error_rate"]) == 20
    counts = np.random.default_rng(1).poisson(5 * search.seconds(5, ["latency_p99"]), 20_000)
    assert (counts < 368).mean() < 1e-3
    longest = search.longest(["latency_p99"], 10)
    assert longest > search.seconds(5, ["latency_p99"]) * 2
    ladder, tried = climb(search, lambda rate: rate <= 499)
    assert sum(3 + search.seconds(rate, ["latency_p99"]) for rate in tried) <= longest
    assert ladder.left == 0


def request(at, took, **facts):
    """Make a request of a probe."""
    ok = facts.pop("error", None) is None
    return Request(at, at + took, Outcome(sent=at + facts.pop("lag", 0.0001), ok=ok, done=at + took, **facts))


def a_probe(took=0.02, n=500, **facts):
    """Make a probe of 10 s: `n` requests, evenly spaced, of the same fate."""
    return Sample(0.0, 10.0, [request(10 * i / n, took, **facts) for i in range(n)])


STREAMED = {"gaps": [0.01, 0.01, 0.03], "tokens_out": 4}


@pytest.mark.parametrize(
    ("bounds", "good", "bad"),
    [
        ({"latency_p99": 0.05}, {}, {"took": 0.06}),
        ({"service_p99": 0.05}, {}, {"took": 0.06}),
        ({"ttft_p99": 0.05}, {}, {"late": 0.06}),
        ({"itl_p99": 0.03}, {**STREAMED}, {"gaps": [0.01, 0.01, 0.04], "tokens_out": 4}),
        ({"tpot_p99": 0.02}, {**STREAMED}, {"gaps": [0.02, 0.02, 0.03], "tokens_out": 4}),
        ({"error_rate": 0.01}, {}, {"error": "timeout"}),
        ({"recall_at_10": 0.9}, {"recall": 0.9}, {"recall": 0.8}),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else None,
)
def test_each_objective_that_breaks_is_named(bounds, good, bad):
    """A probe at the bound passes; one beyond it breaks by that objective's name, and by nothing else."""
    if "ttft_p99" in bounds:
        kept = Sample(0, 10, [request(i / 50, 0.2, first_token=i / 50 + 0.04) for i in range(500)])
        broken = Sample(0, 10, [request(i / 50, 0.2, first_token=i / 50 + 0.06) for i in range(500)])
    else:
        kept, broken = a_probe(**good), a_probe(**{**good, **bad})
    found, broke = judge.judge(kept, bounds)
    assert (broke, [one.met for one in found]) == ([], [True])
    found, broke = judge.judge(broken, bounds)
    assert broke == list(bounds)
    assert found[0].bound == bounds[broke[0]]


def test_what_breaks_without_an_objective():
    """Failures, a growing backlog and a slow client break a probe whatever its bounds are."""
    bounds = {"latency_p50": 60.0}
    assert judge.judge(a_probe(), bounds)[1] == []
    failing = [request(i / 50, 0.02, error="timeout" if i % 50 == 0 else None) for i in range(500)]
    assert judge.judge(Sample(0, 10, failing), bounds)[1] == ["errors"]
    assert judge.judge(Sample(0, 10, failing), {**bounds, "error_rate": 0.05})[1] == []
    slow = [request(i / 50, 0.02 + 0.1 * i / 50, lag=0.0001) for i in range(500)]  # 10 % more come than can be served
    assert judge.judge(Sample(0, 10, slow), bounds)[1] == ["keeping_up"]
    assert judge.judge(a_probe(took=0.05, lag=0.02), bounds)[1] == ["client"]
    busy = Sample(0.0, 10.0, a_probe().mine, cpu=0.95)
    assert judge.judge(busy, bounds)[1] == ["client"]


def test_too_few_samples_do_not_pass():
    """A percentile that cannot be bounded is not met, and says why."""
    found, broke = judge.judge(a_probe(n=300), {"latency_p99": 1.0})
    assert broke == ["latency_p99"]
    assert found[0].value is None
    assert "300 samples are too few, 368" in found[0].reason


def test_rates_are_no_bounds_of_a_probe():
    """A low rate never meets `rate`: it is judged at the edge, by the report."""
    assert judge.judge(a_probe(), {"rate": 1e6, "latency_p90": 1.0})[1] == []


def test_goodput_counts_requests_within_all_bounds():
    """A request is good that succeeded and meets each bound by itself, a time's bound being its highest percentile."""
    mine = [
        request(0, 0.02, recall=1.0, gaps=[0.01] * 9, tokens_out=10),
        request(1, 0.20, recall=1.0),  # too slow
        request(2, 0.02, recall=0.5),  # too far off
        request(3, 0.02, error="timeout"),
        request(4, 0.06, recall=1.0),  # beyond the p50, within the p99
        request(5, 0.02, gaps=[0.01] * 8 + [0.5], tokens_out=10),  # stalled
    ]
    bounds = {"latency_p99": 0.1, "latency_p50": 0.05, "recall_at_10": 0.9, "itl_p99": 0.1}
    assert judge.good_requests(Sample(0, 10, mine), bounds) == 2


def test_percentiles_are_those_of_the_report():
    """The same requests give the same percentiles, by the same definition, in the load and in the report."""
    rows = made.steady_rows(seed=4, rate=40.0)
    window = made.evidence(rows).measured
    steady = [row for row in rows if row["phase"] == "steady"]
    mine = [request(row["intended"], row["done"] - row["intended"]) for row in steady]
    bounds = {"latency_p99": 0.1, "latency_p50": 0.1, "service_p95": 0.1, "error_rate": 0.1}
    ours, _ = judge.judge(Sample(5, 35, mine), bounds)
    theirs = objectives.judge(bounds, window, {})
    assert [one.name for one in ours] == [one.name for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.value == pytest.approx(other.value, abs=2e-4)  # service: made-up requests leave at other times
