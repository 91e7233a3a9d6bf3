"""A search over the network, on a server whose capacity is known."""

import json
import signal

import numpy as np
import pandas as pd
import pytest

from loadtests import progress, records
from loadtests.main import run
from loadtests.progress import Result
from tests.loadtests.tools import Python, a_plan, service, wait_for

pytestmark = pytest.mark.timing

WARMUP = {"name": "warmup", "for": 0.5, "rate": 20}
SEARCH = {"start": 90, "most": 800, "probe": 1.2, "settle": 0.3, "resolution": 0.1, "arrival": "constant"}


def a_search(place, behaviour, bounds, **changes):
    """Run a load process that searches; returns its result and its requests."""
    with service() as server:
        load = {"search": {**SEARCH, **changes}, "timeout": 5, "drain": 3}
        path = a_plan(place, f"{server}{behaviour}", WARMUP, objectives=bounds, load=load)
        with Python("loadtests", str(path)) as process:
            assert process.wait(60) == 0, process.communicate()
    result = Result.model_validate_json((place / "load" / progress.RESULT).read_bytes())
    records.finish(place / "load")
    return result, pd.read_parquet(place / "load" / records.PARQUET)


def test_the_capacity_of_a_known_server_is_found(tmp_path):
    """Four places of 20 ms serve 200/s: evenly spaced requests take 20 ms up to there, and pile up beyond."""
    result, frame = a_search(tmp_path, "places,c=4,takes=0.02", {"latency_p95": 0.045})
    found = result.search
    assert found.state == "found"
    assert 200 * 0.88 <= found.highest_passing <= 200 * 1.03
    assert found.highest_passing < found.lowest_failing <= found.highest_passing * 1.101
    assert "latency_p95" in found.broke
    assert found.monotonic
    assert found.goodput == pytest.approx(found.highest_passing, rel=0.08)
    assert [probe.rate for probe in found.probes[:3]] == [90, 180, 360]
    edge = [probe.name for probe in found.probes if probe.at_edge]
    assert len(edge) == 2
    # The edge is what the headline is of: its probes are the measured phases, and no other is.
    assert [span.name for span in result.phases if span.measured] == edge
    assert [span.name for span in result.phases][:3] == ["warmup", "settle-1", "probe-1"]
    assert result.phases[1].ended == result.phases[2].started
    # What was judged in memory is what stands in the records.
    for probe in found.probes:
        own = frame[frame.phase == probe.name]
        assert (len(own), int((~own.ok).sum())) == (probe.requests, probe.failed)
        latency = np.sort((own.done - own.intended).dt.total_seconds()[own.ok])
        value = next(one.value for one in probe.objectives if one.name == "latency_p95")
        if value is not None:
            assert value == pytest.approx(latency[int(np.ceil(len(latency) * 0.95 - 1e-9)) - 1], abs=1e-6)


def test_a_queue_breaks_by_its_percentile_before_its_capacity(tmp_path):
    """Poisson arrivals at eight places of 20 ms (400/s) queue: the p95 breaks at the rate that a simulation gives."""
    bound = 0.03
    truth = next(rate for rate in range(200, 420, 5) if simulated(rate, places=8, takes=0.02) > bound)
    changes = {"arrival": "poisson", "probe": 2, "start": 180, "most": 720, "resolution": 0.15}
    result, _ = a_search(tmp_path, "places,c=8,takes=0.02", {"latency_p95": bound}, **changes)
    assert result.search.state in {"found", "unsettled"}
    # Two seconds of a queue near its capacity differ from its mean by some percent.
    assert 0.78 * truth < result.search.highest_passing < 1.15 * truth
    assert result.search.broke


def simulated(rate, places, takes):
    """Return the p95 of the latency of a queue with Poisson arrivals and a fixed service time, in seconds."""
    arrivals = np.cumsum(np.random.default_rng(5).exponential(1 / rate, 40_000))
    ends = []
    for index, at in enumerate(arrivals):
        ends.append((at if index < places else max(at, ends[index - places])) + takes)
    return np.percentile(np.array(ends) - arrivals, 95)


def test_failures_end_the_climb_by_their_name(tmp_path):
    """One failure in twenty at any rate: the first probe breaks, nothing passes, and no phase is measured."""
    result, _ = a_search(tmp_path, "places,c=8,takes=0.01,broken=20", {"latency_p50": 1})
    found = result.search
    assert (found.state, found.highest_passing, found.lowest_failing) == ("below", None, 90)
    assert found.broke == ["errors"]
    assert found.probes[0].failed in range(4, 8)
    assert not any(span.measured for span in result.phases)


def test_all_that_may_be_tried_passes(tmp_path):
    """Where even `most` passes the edge lies above: so it is said, and `most` is confirmed."""
    changes = {"start": 50, "most": 120, "confirm": 3, "probe": 1, "settle": 0}
    result, _ = a_search(tmp_path, "places,c=8,takes=0.01", {"latency_p90": 0.1}, **changes)
    assert (result.search.state, result.search.highest_passing, result.search.lowest_failing) == ("above", 120, None)
    assert [probe.rate for probe in result.search.probes] == [50, 100, 120, 120, 120]
    assert sum(span.measured for span in result.phases) == 3


def test_a_signal_ends_a_search(tmp_path):
    """SIGTERM in the middle of a probe: what was found until then is told, as interrupted, and nothing is measured."""
    with service() as server:
        load = {"search": {**SEARCH, "probe": 1}, "drain": 3}
        path = a_plan(tmp_path, f"{server}places,c=8,takes=0.01", WARMUP, objectives={"latency_p90": 1}, load=load)
        with Python("loadtests", str(path)) as process:
            state = wait_for(tmp_path / "load", lambda state: state.phase == "probe-2", process)
            assert state.ends_at > state.phase_ends
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    result = json.loads((tmp_path / "load" / progress.RESULT).read_text())
    assert (result["state"], result["search"]["state"]) == ("interrupted", "interrupted")
    assert [probe["name"] for probe in result["search"]["probes"]] == ["probe-1"]
    assert result["search"]["highest_passing"] == 90
    assert not any(span["measured"] for span in result["phases"])


def test_a_tool_cannot_be_searched(tmp_path, capsys):
    """A load by a tool has no rate of ours to search with: the plan is refused, and says so."""
    load = {"generator": "k6", "search": SEARCH}
    path = a_plan(tmp_path, "http://127.0.0.1:1/", WARMUP, objectives={"latency_p90": 1}, load=load)
    assert run([str(path)]) == 2
    assert "makes its own requests" in capsys.readouterr().err
