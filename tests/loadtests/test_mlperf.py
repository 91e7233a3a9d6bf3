"""MLPerf's LoadGen as the scheduler, on a server of known delays; its summary, read back."""

import json
import signal

import pandas as pd
import pytest

from loadtests import progress, records
from loadtests.mlperf import summary
from tests.loadtests.tools import Python, a_plan, wait_for

pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed: the extra mlperf")
pytestmark = pytest.mark.timing


def a_run(place, url, bounds=None, **scenario):
    """Run a load process by LoadGen; returns its result, its requests, and LoadGen's summary."""
    asked = {"engine": "loadgen", "short": True, "duration": 1.5, **scenario}
    warmup = {"name": "warmup", "for": 0.3, "rate": 20}
    path = a_plan(place, url, warmup, objectives=bounds or {}, load={"scenario": asked})
    with Python("loadtests", str(path)) as process:
        assert process.wait(60) == 0, process.communicate()
    result = json.loads((place / "load" / progress.RESULT).read_text())
    records.finish(place / "load")
    frame = pd.read_parquet(place / "load" / records.PARQUET)
    assert frame.ok.all()
    assert frame.request.is_unique
    return result, frame[frame.phase != "warmup"], (place / "load" / "mlperf" / summary.SUMMARY).read_text()


def test_a_server_by_its_latency(server, tmp_path):
    """Poisson arrivals by LoadGen: its count is ours, its latencies are ours, its logs are kept."""
    result, frame, text = a_run(tmp_path, f"{server}steady,ttft=0.05,n=1", {"latency_p99": 0.2}, kind="server", rate=60)
    told = result["notes"]["mlperf"]
    assert "Scenario : Server" in text
    assert told["figures"]["schedule_rng_seed"] == float(16159082839903944936)
    assert len(frame) == pytest.approx(90, abs=45)
    mean = (frame.done - frame.intended).dt.total_seconds().mean()
    assert told["figures"]["Mean latency (ns)"] / 1e9 == pytest.approx(mean, abs=0.02)
    # Ninety queries are too few for its early stopping to be sure of a p99: so it says, and so do we.
    assert told["result"] == "INVALID"
    said = "MLPerf LoadGen says: Result is : INVALID (Early stopping not satisfied); it would take at least "
    assert len(result["warnings"]) == 1
    assert result["warnings"][0].startswith(said)
    span = result["phases"][-1]
    assert (span["name"], span["measured"], span["rate"], span["intended"]) == ("server", True, 60, len(frame))
    assert (tmp_path / "load" / "mlperf" / "mlperf_log_detail.txt").is_file()


def test_a_server_by_its_tokens(server, tmp_path):
    """LoadGen hears of first tokens when they come: its time to first token and per output token are the server's."""
    bounds = {"ttft_p99": 0.3, "tpot_p99": 0.2}
    _, frame, text = a_run(tmp_path, f"{server}steady,ttft=0.08,gap=0.04,n=4", bounds, kind="server", rate=40)
    told = summary.read(tmp_path / "load" / "mlperf")["figures"]
    assert told["Mean First Token latency (ns)"] / 1e9 == pytest.approx(0.08, abs=0.025)
    assert told["Mean Time per Output Token (ns)"] / 1e9 == pytest.approx(0.04, abs=0.01)
    assert "ttft_latency (ns): 300000000" in text
    assert frame.first_token.notna().all()


@pytest.mark.parametrize(("kind", "size"), [("single-stream", 1), ("multi-stream", 8)])
def test_streams(server, tmp_path, kind, size):
    """One query after another, of one or eight samples: VALID once there are 64 queries, or as told otherwise."""
    result, frame, _ = a_run(tmp_path, f"{server}steady,ttft=0.015,n=1", kind=kind, queries=70)
    queries = frame.groupby("intended")
    assert set(queries.size()) == {size}
    assert len(queries) >= 70
    assert set(frame.user) == {0}
    assert result["notes"]["mlperf"]["result"] in {"VALID", "INVALID"}
    assert bool(result["warnings"]) == (result["notes"]["mlperf"]["result"] != "VALID")


def test_offline(server, tmp_path):
    """All samples in one query, of which as many are open as are allowed."""
    result, frame, _ = a_run(
        tmp_path, f"{server}steady,ttft=0.05,n=1", kind="offline", rate=100, concurrency=10, duration=1
    )
    assert len(frame) >= 110
    starts, ends = frame.intended.sort_values(), frame.done.sort_values()
    most = max((starts <= at).sum() - (ends <= at).sum() for at in starts)
    assert most <= 10
    assert result["notes"]["mlperf"]["figures"]["Samples per second"] > 100
    assert result["phases"][-1]["name"] == "offline"


def test_a_signal_ends_it(server, tmp_path):
    """LoadGen cannot be told to end; the load ends all the same, in good order, and says that there is no summary."""
    asked = {"engine": "loadgen", "kind": "server", "rate": 50}
    path = a_plan(tmp_path, f"{server}plain", objectives={"latency_p99": 1}, load={"scenario": asked})
    with Python("loadtests", str(path)) as process:
        wait_for(tmp_path / "load", lambda state: state.done > 20, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    result = json.loads((tmp_path / "load" / progress.RESULT).read_text())
    assert (result["state"], result["phases"][-1]["stopped"]) == ("interrupted", "interrupted")
    assert "left no" in result["warnings"][0]
    assert records.finish(tmp_path / "load") > 20


def test_a_summary_is_read(tmp_path):
    """Verdict, conditions and figures of a summary as LoadGen 6.0.17 writes it."""
    (tmp_path / summary.SUMMARY).write_text(SUMMARY)
    found = summary.read(tmp_path)
    assert (found["result"], found["unmet"]) == ("INVALID", ["Min duration", "Early stopping"])
    assert found["figures"]["Completed samples per second"] == 55.62
    assert "at least 373 more queries" in found["advice"]
    assert summary.warnings(found)[0].endswith("not satisfied); it would take at least 373 more queries")
    (tmp_path / summary.SUMMARY).write_text("Result is : VALID\n")
    assert summary.warnings(summary.read(tmp_path)) == []


SUMMARY = """\
SUT name : PySUT
Scenario : Server
Completed samples per second    : 55.62
Result is : INVALID
  Performance constraints satisfied : Yes
  Min duration satisfied : NO
  Min queries satisfied : Yes
  Early stopping satisfied: NO
Recommendations:
TTFT Early Stopping Result:
 * Run unsuccessful.
 * Would need to run at least 373 more queries,
 with the run being successful if every additional
 query were under latency.

================================================
Additional Stats
================================================
Mean latency (ns)               : 20371996
"""
