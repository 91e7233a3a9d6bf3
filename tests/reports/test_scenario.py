"""MLPerf scenarios in the report: each one's figure, the short mark, and runs that are shorter than the rules."""

import dataclasses

import pytest

from reports import scenario, verdict
from runs.recipe import Recipe
from tests.reports import recording as made

BOUNDS = {"latency_p99": 1.0}


def evidence(rows, span, **asked):
    """Make the evidence of a run of one scenario."""
    base = made.evidence(rows, phases=[made.WARMUP, span], objectives=BOUNDS, ended=made.START.replace(hour=13))
    recipe = {**base.manifest.recipe, "load": {"generator": "openai", "scenario": asked}}
    return dataclasses.replace(base, recipe=Recipe.model_validate(recipe))


def found(run):
    """Return what the scenario's rule finds."""
    return [(one.level, one.message) for one in verdict.judge(run).findings if one.rule == "scenario_kept"]


def multi(seconds, took=0.1):
    """Make queries of eight samples, the last of which takes `took`; seven take half of it."""
    at, rows = 5.0, []
    while at < 5.0 + seconds:
        rows += [made.row("multi-stream", at, took if i == 7 else took / 2, user=0) for i in range(8)]
        at += took
    return rows


def test_multi_stream_counts_queries():
    """A query lasts until its last sample is done; its users are one, by Little's law, though eight are open."""
    span = made.span("multi-stream", 5.0, 600.0, users=1, batch=8)
    run = evidence(multi(600.0), span, kind="multi-stream")
    assert found(run) == []
    assert verdict.judge(run).valid, verdict.judge(run).findings
    row = next(scenario.headline(run))
    assert (row["label"], row["value"]) == ("MLPerf MultiStream: p99 of a query", pytest.approx(0.1))
    few = evidence(multi(600.0, took=1.0), span, kind="multi-stream")
    assert found(few) == [
        ("invalid", "600 queries in 600 s, and multi-stream was to have 662: give it a longer duration")
    ]


def test_single_stream_and_its_short_mode():
    """The p90 of the latency; a short run says in headline and findings that it does not conform."""
    rows = [*made.closed_loop("single-stream", 5.0, 30.0, users=1, took=0.05)]
    span = made.span("single-stream", 5.0, 30.0, users=1)
    run = evidence(rows, span, kind="single-stream", short=True, duration=30)
    (level, message), *more = found(run)
    assert (level, more) == ("warning", [])
    assert "not conforming" in message
    row = next(scenario.headline(run))
    assert row["value"] == pytest.approx(0.05)
    assert "not conforming" in row["text"]
    assert verdict.judge(run).valid
    full = evidence(rows, span, kind="single-stream")
    assert [level for level, _ in found(full)] == ["invalid"]
    assert "was to last 600 s" in found(full)[0][1]


def test_offline_is_samples_a_second():
    """All samples over the time from the first to the last, the drain included."""
    rows = [*made.closed_loop("offline", 5.0, 9.99, users=10, took=0.1)]
    run = evidence(rows, made.span("offline", 5.0, 9.95, users=10), kind="offline", rate=90, short=True, duration=10)
    row = next(scenario.headline(run))
    assert row["unit"] == "samples/s"
    assert row["value"] == pytest.approx(100, rel=0.01)
    assert [level for level, _ in found(run)] == ["warning"]


def test_server_is_what_was_scheduled():
    """Queries that arrived, a second; what they are judged by are the objectives."""
    rows = [one | {"phase": "server"} for one in made.steady_rows()]
    span = made.span("server", 5.0, 30.0, rate=20.0, arrival="poisson")
    row = next(scenario.headline(evidence(rows, span, kind="server", rate=20, short=True, duration=30)))
    assert row["label"] == "MLPerf Server: scheduled"
