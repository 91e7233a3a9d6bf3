"""MLPerf scenarios as presets: the phases that they make, and what is refused."""

import dataclasses

import pytest

from runs import document, objectives, reader, scenario
from runs.document import RecipeError
from tests.runs.test_reader import CATALOG

TEXT = """\
name: mlperf
services:
  llm: {kind: llamacpp, model: small}
load:
  generator: openai
  phases: [{name: warmup, for: 5s, rate: 2}]
  scenario: SCENARIO
objectives: {ttft_p99: 2s, tpot_p99: 200ms}
"""


def read(text):
    """Check a recipe's text; all objectives are known."""
    catalog = dataclasses.replace(
        CATALOG, objective=lambda name: None if objectives.parse(name) else objectives.nearest(name)
    )
    return reader.check(document.parse(text, "r.yaml"), catalog)[0]


def a_load(text):
    """Read a recipe with a scenario; returns its load."""
    return read(TEXT.replace("SCENARIO", text)).load


def last(text):
    """Return the phase that a scenario makes, after the warm-up."""
    warmup, phase = a_load(text).stages
    assert (warmup.name, phase.in_window) == ("warmup", True)
    return phase


def test_each_scenario_is_a_phase():
    """One user; eight samples at once; Poisson arrivals; all samples through as many places as are allowed."""
    single = last("single-stream")
    assert (single.name, single.users, single.batch, single.duration) == ("single-stream", 1, 1, 600)
    multi = last("{kind: multi-stream}")
    assert (multi.users, multi.batch, multi.duration) == (1, 8, 600)
    server = last("{kind: server, rate: 20}")
    assert (server.rate, server.arrival, server.duration, server.users) == (20, "poisson", 600, None)
    assert last("{kind: server, rate: 0.1}").duration == 1000  # 100 queries
    offline = last("{kind: offline, rate: 20}")
    assert (offline.users, offline.requests) == (256, 24_576)
    assert last("{kind: offline, rate: 100, concurrency: 8}").requests == 66_000  # 1.1 times what 600 s take


def test_the_seeds_are_those_of_the_rules():
    """The schedule's seed is the load's; it is part of the resolved recipe, which reads again."""
    assert (scenario.QSL_SEED, scenario.SAMPLE_INDEX_SEED) == (2085463073848966840, 2747215439041700203)
    load = a_load("single-stream")
    assert load.seed == scenario.SCHEDULE_SEED == 16159082839903944936
    assert type(load).model_validate(load.model_dump(mode="json")) == load


def test_short_mode():
    """A short run may be as short as it likes, with as few queries."""
    phase = last("{kind: server, rate: 20, short: true, duration: 3s}")
    assert (phase.rate, phase.duration) == (20, 3)
    assert last("{kind: offline, rate: 20, short: true, duration: 3s, concurrency: 4}").requests == 66


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("server", "server needs a rate"),
        ("{kind: offline}", "samples/s that are expected"),
        ("{kind: single-stream, rate: 3}", "has no rate"),
        ("{kind: single-stream, duration: 30s}", "set short: true"),
        ("{kind: multi-stream, queries: 100}", "662 queries"),
        ("{kind: steady}", "single-stream"),
        ("single-stream\n  seed: 7", "leave `seed` out"),
        ("single-stream\n  search: {}", "do not go together"),
        ("single-stream\n  processes: 2", "one process"),
    ],
)
def test_what_the_rules_do_not_allow(text, words):
    """Each mistake is told with its mend."""
    with pytest.raises(RecipeError) as caught:
        a_load(text)
    assert words in str(caught.value)


def test_a_server_needs_its_bounds():
    """Server is judged by a p99 of the latency, or of both token times."""
    with pytest.raises(RecipeError, match="ttft_p99 and tpot_p99"):
        read(TEXT.replace("SCENARIO", "{kind: server, rate: 1}").replace(", tpot_p99: 200ms", ""))
    text = TEXT.replace("SCENARIO", "{kind: server, rate: 1}").replace(
        "ttft_p99: 2s, tpot_p99: 200ms", "latency_p99: 1s"
    )
    assert read(text).load.scenario.rate == 1
