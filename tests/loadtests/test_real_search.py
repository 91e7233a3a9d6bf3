"""Searching, and a scenario by LoadGen, on llama.cpp's real server with a model of random weights."""

import json
from collections.abc import Iterator

import pytest

from loadtests import progress
from loadtests.plan import Target
from loadtests.progress import Result
from tests.loadtests import programs
from tests.loadtests.tools import Python, a_plan

pytestmark = [pytest.mark.real, pytest.mark.timing]

OPENAI = {"generator": "openai", "max_tokens": 8, "prompt_tokens": 16, "ignore_eos": True}


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Keep one server for the tests of this file."""
    with programs.llamacpp() as target:
        yield target


def run(place, target, bounds, **load):
    """Run a load process on llama.cpp; returns its result."""
    generator, *options = OPENAI
    whole = {generator: OPENAI[generator], "options": {name: OPENAI[name] for name in options}, **load}
    warmup = {"name": "warmup", "for": 1, "rate": 5}
    path = a_plan(place, "", warmup, objectives=bounds, load=whole, target=json.loads(target.model_dump_json()))
    with Python("loadtests", str(path)) as process:
        assert process.wait(60) == 0, process.communicate()
    return Result.model_validate_json((place / "load" / progress.RESULT).read_bytes())


def test_the_edge_of_a_language_model(target, tmp_path):
    """A rate is found at which first tokens still come in time, and one above it at which they do not."""
    search = {"start": 15, "most": 480, "probe": 1.5, "settle": 0.3, "resolution": 0.5, "confirm": 1}
    found = run(tmp_path, target, {"ttft_p90": 0.15, "error_rate": 0.1}, search=search, drain=5, timeout=5).search
    assert found.state == "found"
    assert 15 <= found.highest_passing < found.lowest_failing <= 1.51 * found.highest_passing
    assert found.broke
    assert 0 < found.goodput <= 1.3 * found.highest_passing
    edge = next(probe for probe in found.probes if probe.at_edge)
    assert {one.name: one.met for one in edge.objectives} == {"ttft_p90": True, "error_rate": True}


def test_a_server_scenario_by_loadgen(target, tmp_path):
    """LoadGen schedules, its summary is read, and its count of tokens is the server's."""
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed: the extra mlperf")
    asked = {"kind": "server", "rate": 12, "short": True, "duration": 3, "engine": "loadgen"}
    result = run(tmp_path, target, {"ttft_p99": 1.0, "tpot_p99": 0.5}, scenario=asked)
    figures = result.notes["mlperf"]["figures"]
    server = result.phases[-1]
    assert (server.name, server.failed <= 0.1 * server.intended) == ("server", True)
    assert figures["Scenario"] == "Server"
    # Tokens of all samples over the time: eight a sample, but for those that had no text.
    assert figures["Completed tokens per second"] / figures["Completed samples per second"] == pytest.approx(8, abs=1)
    assert 0 < figures["50.00 percentile first token latency (ns)"] < 1e9
