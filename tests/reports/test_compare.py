"""Runs side by side: repeats together, differences only where they are more than noise."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dashcam import comparison
from reports import compare, differences
from reports.compare import Run
from reports.intervals import poisson_rate, share, student
from runs.manifest import Manifest, Node

WHEN = datetime(2026, 11, 25, 6, 2, 23, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "golden"


def run(
    number=1,
    *,
    p99=0.050,
    reach=0.004,
    rate=10.0,
    failed=0,
    valid=True,
    recipe=None,
    versions=None,
    tokens=100.0,
    **facts,
):
    """A run with a summary of 600 requests in 60 s; `reach` is half of the interval of its p99."""
    n = int(rate * 60)
    manifest = Manifest(
        id=f"20261125-06022{number}-demo-000{number}",
        recipe={
            "name": "demo",
            "load": {"seed": number, "phases": [{"name": "steady", "rate": rate}]},
            **(recipe or {}),
        },
        created=WHEN,
        ending="completed",
        reason="the load ran to its end",
        versions=versions or {"llm": "1.0"},
        nodes=[
            Node(index=0, name=facts.get("node", "n1"), address="", facts={"cpu": facts.get("cpu", "EPYC"), "cores": 2})
        ],
    )
    findings = [] if valid else [{"level": "invalid", "message": "the client was the bottleneck"}]
    summary = {
        "valid": valid,
        "findings": findings,
        "headline": [
            {"label": "completed", "value": (n - failed) / 60, "unit": "req/s"},
            {"label": "latency p99", "value": p99, "unit": "s", "low": p99 - reach, "high": p99 + reach, "n": n},
            {"label": "tokens out", "value": tokens, "unit": "tokens/s"},
            {"label": "failed", "value": failed / n, "unit": "ratio"},
        ],
        "measured": {
            "seconds": 60.0, "requests": n, "succeeded": n - failed, "failed": failed, "intended_per_second": rate,
        },
        "recorder": {"cpu_cores_mean": 0.02, "memory_bytes_mean": 1e8},
    }  # fmt: skip
    return Run(manifest, summary)


def columns(*runs):
    """Group as the command does."""
    return compare.columns(runs, [differences.kind(one.manifest) for one in runs])


def cell(label, *runs):
    """Return the second column's cell of a figure."""
    return next(row for row in compare.rows(columns(*runs)) if row.label == label).cells[1]


OTHER = {"services": {"llm": {"options": {"threads": 2}}}}


def test_repeats_are_one_column():
    """Another seed, description or node of the same make is a repeat; another release, make or leaf is not."""
    alike = [run(1), run(2, node="n2"), run(3, recipe={"description": "again"})]
    assert len(columns(*alike)) == 1
    unlike = [run(1), run(2, versions={"llm": "2.0"}), run(3, cpu="Xeon"), run(4, recipe=OTHER)]
    assert [column.letter for column in columns(*unlike)] == ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("p99", "judgement", "basis"),
    [(0.055, "same", "intervals"), (0.070, "worse", "intervals"), (0.030, "better", "intervals")],
)
def test_single_runs_are_judged_by_their_intervals(p99, judgement, basis):
    """Intervals that overlap are no difference; apart, lower is better for a latency."""
    found = cell("latency p99", run(1), run(2, p99=p99, recipe=OTHER))
    assert (found.judgement, found.basis) == (judgement, basis)
    assert found.change == pytest.approx(p99 / 0.05 - 1)


def test_repeats_say_what_noise_is():
    """Narrow intervals within runs mean nothing where runs scatter more; and repeats that agree show a small change."""
    wild = [run(n, p99=p99, reach=0.0001) for n, p99 in ((1, 0.040), (2, 0.060), (3, 0.050))]
    other = [run(n, p99=p99, reach=0.0001, recipe=OTHER) for n, p99 in ((4, 0.055), (5, 0.062), (6, 0.048))]
    assert cell("latency p99", *wild, *other).judgement == "same"
    calm = [run(n, p99=0.0500 + n / 1e5) for n in (1, 2, 3)]
    faster = [run(n, p99=0.0480 + n / 1e5, recipe=OTHER) for n in (4, 5, 6)]
    found = cell("latency p99", *calm, *faster)
    assert (found.judgement, found.basis, found.n) == ("better", "repeats", 3)
    assert found.spread == pytest.approx(1e-5)


def test_the_t_test_agrees_with_a_worked_example():
    """Means 10 and 12 with standard deviations of 1, three each: t = 2.449 < 2.776, no difference; 12.3: 2.817, one."""

    def three(middle, first, **more):
        return [run(first + n, p99=middle + n - 1, reach=5, **more) for n in range(3)]

    assert cell("latency p99", *three(10, 1), *three(12, 4, recipe=OTHER)).judgement == "same"
    assert cell("latency p99", *three(10, 1), *three(12.3, 4, recipe=OTHER)).judgement == "worse"


def test_too_few_repeats_do_not_prove_that_nothing_differs():
    """Three runs in all: what a t test does not find is no finding, unless the intervals overlap."""
    pair = [run(1, p99=0.050, reach=0.001), run(2, p99=0.052, reach=0.001)]
    found = cell("latency p99", *pair, run(3, p99=0.060, reach=0.001, recipe=OTHER))
    assert found.judgement == "not judged"
    assert "too few" in found.reason
    assert cell("latency p99", *pair, run(3, p99=0.0515, reach=0.001, recipe=OTHER)).judgement == "same"


def test_invalid_runs_are_left_out_of_a_mean_and_never_judged():
    """Of repeats the VALID count; a column without one shows its figures, marked, and says nothing of them."""
    mixed = columns(run(1), run(2, p99=9.0, valid=False))
    assert [one.manifest.id[-1] for one in mixed[0].counted] == ["1"]
    found = cell("latency p99", run(1), run(2, p99=9.0, valid=False, recipe=OTHER))
    assert (found.valid, found.judgement, found.reason) == (False, "not judged", "INVALID")


def test_a_figure_without_interval_is_not_judged():
    """Tokens a second of single runs have nothing to be held against."""
    found = cell("tokens out", run(1), run(2, tokens=50.0, recipe=OTHER))
    assert (found.judgement, found.change) == ("not judged", -0.5)


def test_failures_by_their_shares():
    """2 of 600 against none may be chance, 60 of 600 not; there is no relative change to nothing."""
    assert cell("failed", run(1), run(2, failed=2, recipe=OTHER)).judgement == "same"
    found = cell("failed", run(1), run(2, failed=60, recipe=OTHER))
    assert (found.judgement, found.change) == ("worse", None)


def test_less_asked_is_not_worse():
    """Where the load asked for another rate, the rate of answers tells of the load."""
    assert cell("completed", run(1), run(2, rate=5.0)).judgement == "differs"
    assert cell("completed", run(1), run(2, failed=200, recipe=OTHER)).judgement == "worse"


def test_a_figure_that_only_some_have():
    """What a run has not stands empty; what the base has not is not judged."""
    more = run(2, recipe=OTHER)
    more.summary["headline"].append({"label": "recall, mean", "value": 0.9, "unit": "ratio"})
    row = next(row for row in compare.rows(columns(run(1), more)) if row.label == "recall, mean")
    assert row.cells[0] is None
    assert row.cells[1].reason == "the base has no such figure"


def test_differences_of_recipes_are_named_as_set_takes_them():
    """A leaf by its dotted key; one that is missing is null."""
    found = differences.recipes([run(1).manifest, run(2, rate=20.0, recipe=OTHER).manifest])
    assert dict(found) == {
        "load.seed": (1, 2),
        "load.phases.0.rate": (10.0, 20.0),
        "services.llm.options.threads": (None, 2),
    }
    assert differences.versions([run(1).manifest, run(2, versions={"llm": "2.0", "x": "1"}).manifest]) == [
        ("llm", ("1.0", "2.0")), ("x", (None, "1")),
    ]  # fmt: skip
    assert dict(differences.nodes([run(1).manifest, run(2, node="n2", cpu="Xeon").manifest])) == {
        "nodes": ("n1", "n2"), "cpu": ("EPYC", "Xeon"),
    }  # fmt: skip


def test_intervals_agree_with_published_values():
    """Wilson: 0 of 10 up to 27.8 %, 5 of 10 from 23.7 to 76.3 %; t of 40 degrees 2.021, of 120 1.980; Poisson 100."""
    assert share(0, 10) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert share(5, 10) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert share(10, 10)[1] == 1.0
    assert [round(student(n), 3) for n in (1, 4, 30, 40, 120)] == [12.706, 2.776, 2.042, 2.021, 1.980]
    assert poisson_rate(10.0, 10.0) == (pytest.approx(8.04, abs=0.01), pytest.approx(11.96, abs=0.01))
    assert poisson_rate(0.0, 10.0)[0] == 0.0


def test_the_table_as_it_is_printed(golden):
    """Verdicts first, an INVALID run marked in each figure, what differs below."""
    runs = [
        run(1),
        run(2),
        run(3, p99=0.08, failed=60, recipe=OTHER),
        run(4, p99=9.0, valid=False, versions={"llm": "2.0"}),
    ]
    made = columns(*runs)
    firsts = [column.runs[0].manifest for column in made]
    unlike = {"recipe": differences.recipes(firsts), "programs": differences.versions(firsts), "nodes": []}
    golden(GOLDEN / "comparison.txt", comparison.text(made, compare.rows(made), unlike, 100) + "\n")
    narrow = comparison.text(made, compare.rows(made), unlike, 72)
    assert max(map(len, narrow.splitlines())) <= 78
    answer = comparison.as_json(made, compare.rows(made), unlike)
    assert answer["columns"][2]["runs"][0]["valid"] is False
    assert answer["figures"][0]["columns"]["A"]["n"] == 2
