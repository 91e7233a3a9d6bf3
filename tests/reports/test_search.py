"""A search in the report: headline, table, and what is said against its edge."""

import dataclasses

import numpy as np
import pytest

from reports import html, search, summary, verdict
from reports.series import Grid
from runs.recipe import Recipe
from tests.reports import recording as made

BOUNDS = {"latency_p99": 0.05}


def a_probe(number, rate, value, **facts):
    """Make a probe as result.json keeps it."""
    met = value is not None and value <= 0.05
    one = {"name": "latency_p99", "bound": 0.05, "value": value, "unit": "s", "upper": True, "met": met}
    probe = {
        "name": f"probe-{number}", "rate": rate, "seconds": 30.0, "requests": int(30 * rate), "failed": 0,
        "offered": rate, "achieved": rate, "goodput": 0.99 * rate, "passed": met, "broke": [] if met else [one["name"]],
        "objectives": [one | facts.pop("objective", {})],
    }  # fmt: skip
    return probe | facts


def evidence(**changes):
    """Make the evidence of a run whose edge probes are its measured phases, from 10/s (passes) to 40/s (fails)."""
    numbers = np.random.default_rng(3)
    phases, rows, probes = [made.WARMUP], [], []
    for index, (rate, took) in enumerate([(10, 0.02), (20, 0.021), (40, 0.3), (20, 0.022)], 1):
        begin, name = 5.0 + 40 * index, f"probe-{index}"
        phases.append(made.span(name, begin, 30.0, measured=rate == 20, rate=rate, arrival="poisson"))
        rows += made.open_loop(numbers, name, begin, 30.0, rate=rate, service=lambda _at, took=took: took)
        probes.append(a_probe(index, rate, took, at_edge=rate == 20))
    found = {
        "state": "found", "highest_passing": 20, "lowest_failing": 40, "broke": ["latency_p99"], "goodput": 19.8,
        "achieved": 20.0, "monotonic": True, "resolution": 1.0, "confirm": 2, "probes": probes,
    } | changes  # fmt: skip
    over = made.START.replace(hour=13)
    base = made.evidence(rows, phases=phases, objectives=BOUNDS, load_result={"search": found}, ended=over)
    asked = {**base.manifest.recipe, "allocation": {"time": 7200}}
    asked["load"] = {"generator": "openai", "search": {"start": 10, "most": 100, "resolution": 1.0}}
    return dataclasses.replace(base, recipe=Recipe.model_validate(asked))


def rules(found):
    """Return the rules that find fault, with their levels."""
    return {(one.rule, one.level) for one in verdict.judge(found).findings}


def test_a_search_is_valid_though_probes_broke():
    """The verdict is of the confirmed edge: a probe beyond it that missed its bound, on purpose, is no fault."""
    found = evidence()
    judged = verdict.judge(found)
    assert judged.valid, judged.findings
    assert {phase.name for phase in found.measured.phases} == {"probe-2", "probe-4"}
    assert found.measured.seconds == pytest.approx(60)


def test_the_headline_begins_with_the_edge():
    """Highest passing and lowest failing rate, what broke, goodput; summary.json has all probes."""
    found = evidence()
    facts = summary.summarise(found, verdict.judge(found))
    assert [row["text"] for row in facts["headline"][:3]] == [
        "20 req/s (all objectives met in 2 probes)",
        "40 req/s (broke: latency_p99)",
        "19.8 req/s (requests within every bound)",
    ]
    assert len(facts["search"]["probes"]) == 4
    assert facts["objectives"][0]["state"] == "met"


def test_the_report_has_a_table_of_probes():
    """Each probe with its rate, its percentile against the bound, and what it broke."""
    found = evidence()
    judged = verdict.judge(found)
    facts = summary.summarise(found, judged) | {"recorder": {"cpu_cores_mean": None, "memory_bytes_mean": None}}
    drawing = html.Drawing(Grid.over(0.0, 1.0, 1.0), ())
    page = html.render(found, judged, facts, drawing, "name: x")
    assert "20 req/s is the highest rate that passed, 2 of 2 times, and 40 req/s the lowest that failed" in page
    assert "latency_p99 ≤ 50 ms" in page
    assert "300 ms ✕" in page
    assert "✕: latency_p99" in page


@pytest.mark.parametrize(
    ("changes", "rule", "level", "words"),
    [
        ({"state": "below", "highest_passing": None}, "edge_found", "invalid", "lower load.search.start"),
        ({"state": "unsettled"}, "edge_found", "invalid", "without a confirmed edge"),
        ({"state": "interrupted"}, "edge_found", "invalid", "was interrupted"),
        ({"state": "above", "lowest_failing": None}, "edge_found", "warning", "the edge lies above"),
        ({"monotonic": False}, "edge_found", "warning", "chance"),
        ({"broke": ["client", "latency_p99"]}, "edge_of_the_service", "invalid", "the client was the bottleneck"),
    ],
)
def test_what_speaks_against_an_edge(changes, rule, level, words):
    """An edge that is none, not confirmed, out of range, by chance or the client's own is told, and nothing else."""
    found = [one for one in verdict.judge(evidence(**changes)).findings if one.rule.startswith("edge")]
    assert [(one.rule, one.level) for one in found] == [(rule, level)]
    assert words in found[0].message


def test_want_of_samples_is_no_edge():
    """A rate that failed because its percentile could not be judged is told."""
    short = a_probe(3, 40, None, objective={"reason": "12 samples are too few, 368 are needed"})
    found = evidence()
    probes = [*found.load_result["search"]["probes"]]
    probes[2] = short
    assert ("edge_of_the_service", "warning") in rules(evidence(probes=probes))


def test_no_result_of_a_search():
    """A search without a result, or one that cannot be read, is INVALID; a load without a search has no such rule."""
    assert ("edge_found", "invalid") in rules(evidence(state="what"))
    assert search.table(made.evidence()) is None
    assert summary.summarise(made.evidence(), verdict.judge(made.evidence()))["search"] is None
