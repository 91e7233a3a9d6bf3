"""The engine against a server of known delays: what is measured is what was."""

import re
import signal

import numpy as np
import pandas as pd
import pytest
import requests

from loadtests import records
from tests.loadtests.server import CHUNKS, FIRST, GAP

pytestmark = pytest.mark.real


def seconds(frame, first, last):
    """Return the time between two columns, in seconds."""
    return (frame[last] - frame[first]).dt.total_seconds().to_numpy()


def phase(**fields):
    """Return a steady phase."""
    return [{"name": "steady", **fields}]


def test_known_delays(bench):
    """Time to first token, gaps, tokens and totals are the server's."""
    frame = bench.run(phase(**{"for": 3, "rate": 20, "arrival": "constant"}))
    assert bench.code == 0, bench.err
    assert len(frame) == 60
    assert frame["ok"].all()
    assert set(frame["tokens_out"]) == {CHUNKS}
    assert set(frame["tokens_in"]) == {7}
    assert np.median(seconds(frame, "intended", "first_token")) == pytest.approx(FIRST, rel=0.15)
    gaps = np.concatenate(frame["gaps"].to_numpy())
    assert len(gaps) == 60 * (CHUNKS - 1)
    assert np.median(gaps) == pytest.approx(GAP, rel=0.15)
    assert np.median(seconds(frame, "intended", "done")) == pytest.approx(FIRST + (CHUNKS - 1) * GAP, rel=0.15)
    intended = frame["intended"].sort_values().diff().dropna().dt.total_seconds()
    assert intended.to_numpy() == pytest.approx(0.05, abs=1e-6)


def test_coordinated_omission_is_visible(bench):
    """A stall of 1 s at 100 requests/s shows in latency from the intended time, and the schedule is kept."""
    frame = bench.run(phase(**{"for": 4, "rate": 100, "arrival": "constant"}), model="stall")
    assert len(frame) == 400
    assert frame["ok"].all()
    latency = seconds(frame, "intended", "done")
    # A quarter of the requests come in the second of the stall and wait for what is left of it: 0 to 1 s, evenly.
    assert np.quantile(latency, 0.99) == pytest.approx(0.96, abs=0.05)
    assert np.quantile(latency, 0.875) == pytest.approx(0.5, abs=0.06)
    assert np.quantile(seconds(frame, "intended", "sent"), 0.99) < 0.05


def test_closed_loop_keeps_its_users(bench):
    """N users are N requests in progress: N = X (R + Z)."""
    frame = bench.run(phase(**{"for": 4, "users": 4, "think": "50ms"}))
    busy = seconds(frame, "intended", "done").mean()
    assert len(frame) / 4 * (busy + 0.05) == pytest.approx(4, rel=0.1)
    assert set(frame["user"]) == {0, 1, 2, 3}


def test_phases_follow_without_a_gap(bench):
    """A phase begins when the one before ends, and a request belongs to the phase in which it was intended."""
    phases = [{"name": "warmup", "for": 1, "rate": 10}, {"name": "steady", "for": 1, "users": 2}]
    frame = bench.run(phases)
    first, second = bench.result()["phases"]
    assert first["ended"] == second["started"]
    assert (first["measured"], second["measured"]) == (False, True)
    boundary = pd.Timestamp(second["started"])
    assert (frame[frame["phase"] == "warmup"]["intended"] < boundary).all()
    assert (frame[frame["phase"] == "steady"]["intended"] >= boundary).all()


@pytest.mark.parametrize("kind", ["http_500", "truncated", "malformed", "server_error", "reset"])
def test_faults_have_names(bench, kind):
    """Each fault of a server is a failed request of its own kind; the load goes on to its end."""
    frame = bench.run(phase(**{"for": 1, "rate": 5, "arrival": "constant"}), model=kind)
    assert bench.code == 0
    assert len(frame) == 5
    assert not frame["ok"].any()
    # An aborted connection shows as a broken body or as a reset, as the bytes happen to come.
    assert set(frame["error"]) <= ({"truncated", "reset"} if kind == "reset" else {kind})
    assert "Traceback" not in bench.err


def test_timeout(bench):
    """A request that takes longer than load.timeout has failed by then."""
    frame = bench.run(phase(**{"for": 1, "rate": 3, "arrival": "constant"}), model="slow", timeout="300ms")
    assert set(frame["error"]) == {"timeout"}
    assert seconds(frame, "intended", "done") == pytest.approx(0.3, abs=0.1)


def test_refused(bench):
    """Where nobody listens, each request is `refused`."""
    bench.url = "http://127.0.0.1:9"
    frame = bench.run(phase(**{"for": 1, "rate": 3, "arrival": "constant"}))
    assert set(frame["error"]) == {"refused"}


def test_drained(bench):
    """What is still open when the drain is over is recorded as such."""
    frame = bench.run(phase(**{"for": 1, "rate": 3, "arrival": "constant"}), model="slow", drain="200ms")
    assert set(frame["error"]) == {"drained"}


def test_closed_connections_are_tried_once_more(bench):
    """A server that closes kept connections costs a retry that is counted, and no failure."""
    frame = bench.run(phase(**{"for": 2, "users": 3}), model="closer")
    assert frame["ok"].all()
    assert len(frame) > 20
    assert bench.result()["retries"] == frame["retries"].sum()


def test_killed_load_loses_a_second_at_most(bench):
    """After kill -9 the records hold all but the last moments."""
    child = bench.start(phase(**{"for": 60, "rate": 50, "arrival": "constant"}))
    bench.wait_done(150)
    child.kill()
    child.communicate()
    assert records.finish(bench.place) >= 90
    frame = pd.read_parquet(bench.place / "requests.parquet")
    assert frame["request"].is_unique
    assert frame["ok"].all()


def test_sigterm_ends_with_all_records(bench):
    """SIGTERM ends the load soon; what was open is recorded, and the account says `interrupted`."""
    child = bench.start(phase(**{"for": 60, "rate": 20, "arrival": "constant"}))
    bench.wait_done(20)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=10)
    assert child.returncode == 0
    assert bench.result()["interrupted"] is True
    assert records.finish(bench.place) == bench.result()["phases"][0]["intended"]


def test_metrics_want_the_token(bench):
    """/metrics answers to the token only, names its run, and says which phase it is."""
    child = bench.start(phase(**{"for": 60, "rate": 20, "arrival": "constant"}))
    bench.wait_done(20)
    url = f"http://{bench.listen}/metrics"
    assert requests.get(url, timeout=5).status_code == 401
    assert requests.get(url, headers={"Authorization": "Bearer wrong"}, timeout=5).status_code == 401
    answer = requests.get(url, headers={"Authorization": "Bearer s3cret"}, timeout=5)
    child.terminate()
    child.communicate(timeout=10)
    assert answer.headers["X-Dashcam-Run"] == "r"
    assert 'run_phase{phase="steady"} 1.0' in answer.text
    assert float(re.search(r'load_requests_total\{outcome="ok",phase="steady"\} (\S+)', answer.text)[1]) >= 20
    assert "_created" not in answer.text
