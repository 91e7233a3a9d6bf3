"""The engine: intended times, attribution, endings. Times are measured on a machine that others use too."""

import asyncio
import itertools
import time

import numpy as np
import pyarrow.compute as pc
import pytest

from loadtests.generators import registry
from loadtests.outcome import RequestFailed
from loadtests.plan import Target
from tests.loadtests.tools import a_load, drive, seconds, service

pytestmark = pytest.mark.timing


class Scripted:
    """A generator whose requests do what a test says."""

    def __init__(self, script):
        self._script = script

    async def setup(self):
        """Need nothing."""
        return {}

    async def request(self, number, outcome):
        """Leave, then do as the script says."""
        outcome.leave()
        await self._script(number)

    async def close(self):
        """Hold nothing."""


def openai(url, load):
    """Make the real generator for a server."""
    kind = registry()["openai"]
    return kind.create(Target(protocol="openai", url=url), kind.Options(), load)


def sleeping(delay):
    """Answer after a delay."""
    return Scripted(lambda _number: asyncio.sleep(delay))


def steady(**more):
    """Describe a phase."""
    return {"name": "steady", "for": 1, "arrival": "constant", **more}


def test_a_stalled_server_shows_in_the_latency(tmp_path):
    """A server that stalls for 1 s of 4 at 100/s: the schedule is kept, and p99 is what arithmetic says, not 0.

    Requests that come in the stall wait uniformly between 0 and 1 s, and they are a quarter of all: the 99th percentile
    of all is the 96th of theirs, 0.96 s; the 90th is the 60th, 0.6 s.
    """
    load = a_load(steady(**{"for": 4, "rate": 100}))
    # A server of its own: the stall counts from the first request, so a further try needs another one.
    with service() as server:
        table, engine = drive(load, openai(f"{server}stall,at=1.5,lasts=1", load), tmp_path)
    assert table.num_rows == 400
    assert pc.all(table["ok"]).as_py()
    latency, lag = seconds(table, "done", "intended"), seconds(table, "sent", "intended")
    # The hundred answers that come at once take both sides some time, so there is more room above than below.
    assert 0.96 * 0.98 < np.percentile(latency, 99) < 0.96 * 1.06
    assert 0.60 * 0.96 < np.percentile(latency, 90) < 0.60 * 1.10
    assert np.percentile(latency, 50) < 0.05
    assert np.percentile(lag, 99) < 0.05
    assert engine.spans()[0].lag_p99 == pytest.approx(np.sort(lag)[-(len(lag) // 100) - 1], rel=1.1e-4)


def test_a_constant_delay_is_measured_right(server, tmp_path):
    """Time to first token, gaps and service time of a server with known ones come out within a few milliseconds."""
    load = a_load(steady(**{"for": 2, "rate": 25, "arrival": "poisson"}))
    table, _ = drive(load, openai(f"{server}steady,ttft=0.1,gap=0.05,n=4", load), tmp_path)
    assert pc.all(table["ok"]).as_py()
    assert np.median(seconds(table, "first_token", "intended")) == pytest.approx(0.1, abs=0.015)
    assert np.median(seconds(table, "done", "sent")) == pytest.approx(0.25, abs=0.02)
    assert np.median(seconds(table, "first_byte", "sent")) < 0.02  # the headers come at once: they are no token
    gaps = [gap for row in table["gaps"].to_pylist() for gap in row]
    assert len(gaps) == 3 * table.num_rows
    assert np.median(gaps) == pytest.approx(0.05, abs=0.005)
    assert set(table["tokens_out"].to_pylist()) == {4}


def test_a_closed_loop_obeys_littles_law(tmp_path):
    """Users = throughput times (latency + think time): 8 users, 50 ms and 30 ms give 100 requests a second."""
    load = a_load(steady(**{"for": 2, "users": 8, "think": 0.03}))
    table, _ = drive(load, sleeping(0.05), tmp_path)
    latency = seconds(table, "done", "intended").mean()
    assert table.num_rows / 2 * (latency + 0.03) == pytest.approx(8, rel=0.05)
    assert table.num_rows == pytest.approx(200, rel=0.1)


def test_a_user_is_free_when_its_answer_is_there(tmp_path):
    """In a closed loop the next request is intended when the one before was done, plus the time to think."""
    load = a_load(steady(users=2, think=0.02))
    table, _ = drive(load, sleeping(0.03), tmp_path)
    frame = table.select(["user", "intended", "done"]).to_pandas().sort_values(["user", "intended"])
    for _, own in frame.groupby("user"):
        pause = (own.intended - own.done.shift()).dt.total_seconds()
        assert pause.min() >= 0.0199
        assert pause.median() == pytest.approx(0.02, abs=0.002)


def test_an_open_loop_waits_for_nobody(tmp_path):
    """Answers that never come hold no request back: 200 are open at once, then drained and recorded as such."""
    load = a_load(steady(rate=200), drain=0.1)
    table, engine = drive(load, sleeping(60), tmp_path)
    assert table.num_rows == 200
    assert set(table["error"].to_pylist()) == {"drained"}
    assert np.percentile(seconds(table, "sent", "intended"), 90) < 0.05
    assert engine.progress().in_flight == 0


def test_a_late_loop_sends_at_once_and_skips_nothing(tmp_path):
    """A client that was held up 0.3 s sends what is due, with the times at which it was due, and says its lag."""

    async def script(number):
        if number == 20:
            time.sleep(0.3)  # noqa: ASYNC251 - the fault that this test is about

    load = a_load(steady(rate=100))
    table, engine = drive(load, Scripted(script), tmp_path)
    intended = np.diff(np.sort(table["intended"].cast("int64").to_numpy())) / 1e9
    assert table.num_rows == 100
    assert np.abs(intended - 0.01).max() < 1e-6
    assert 0.25 < engine.spans()[0].lag_max < 0.5
    assert engine.spans()[0].loop_lag_max > 0.2


def test_phases_follow_without_a_gap_and_own_what_was_intended_in_them(tmp_path):
    """A phase begins when the one before ends; an answer that comes later counts where its request was intended."""
    phases = (
        {"name": "warmup", "for": 0.4, "rate": 50, "arrival": "constant"},
        {"name": "closed", "for": 0.4, "users": 3, "measured": True},
        steady(**{"for": 0.4, "rate": 50}),
    )
    table, engine = drive(a_load(*phases), sleeping(0.25), tmp_path)
    spans = engine.spans()
    assert [span.name for span in spans] == ["warmup", "closed", "steady"]
    assert all(a.ended == b.started for a, b in itertools.pairwise(spans))
    frame = table.select(["phase", "intended", "user", "ok"]).to_pandas()
    assert frame.ok.all()
    for span in spans:
        own = frame[frame.phase == span.name]
        assert len(own) == span.intended == span.sent == span.ok
        assert (own.intended >= span.started).all()
        assert (own.intended < span.ended).all()
        assert own.user.isna().all() == (span.users is None)
    assert [span.intended for span in spans] == [20, 6, 20]


def test_users_of_a_phase_go_on_in_the_next(tmp_path):
    """Users who wait for an answer when a phase ends begin the next when it is there; never are there too many."""
    phases = ({"name": "warmup", "for": 0.3, "users": 4}, steady(**{"for": 0.5, "users": 4}))
    table, _ = drive(a_load(*phases), sleeping(0.2), tmp_path)
    frame = table.select(["phase", "user", "sent", "done"]).to_pandas()
    for moment in frame.sent:
        assert ((frame.sent <= moment) & (frame.done > moment)).sum() <= 4
    assert set(frame[frame.phase == "steady"].user) == {0, 1, 2, 3}


def test_a_generators_fault_is_a_failed_request(tmp_path, capfd):
    """Known failures carry their kind, unknown ones are `client_error` with one traceback; the run goes on."""

    async def script(number):
        if number % 3 == 0:
            raise RequestFailed("wrong_answer", "42")
        if number % 3 == 1:
            raise KeyError("a bug")

    table, engine = drive(a_load(steady(**{"for": 0.3, "rate": 100})), Scripted(script), tmp_path)
    assert engine.errors == {"wrong_answer": 10, "client_error": 10}
    assert table["error"].to_pylist().count(None) == 10
    assert "wrong_answer: 42" in capfd.readouterr().err


def test_a_bug_is_told_with_its_traceback(tmp_path, capfd):
    """The first unexpected exception is printed in full, the others only counted."""

    async def script(_number):
        raise KeyError("a bug")

    drive(a_load(steady(**{"for": 0.1, "rate": 100})), Scripted(script), tmp_path)
    told = capfd.readouterr().err
    assert told.count("Traceback") == 1
    assert "in script" in told


def test_a_timeout_is_one(tmp_path):
    """A request that takes longer than the load's timeout fails then, as `timeout`."""
    table, _ = drive(a_load(steady(**{"for": 0.2, "rate": 50}), timeout=0.15), sleeping(60), tmp_path)
    assert set(table["error"].to_pylist()) == {"timeout"}
    assert seconds(table, "done", "intended") == pytest.approx(0.15, abs=0.05)


@pytest.mark.parametrize("loop", [{"rate": 50}, {"users": 5}, {"users": 5, "think": 60}])
def test_an_interruption_ends_soon(tmp_path, loop):
    """Asked to end, the engine schedules nothing more, gives open requests `hurry` seconds, and records each."""

    async def meanwhile(engine):
        await asyncio.sleep(0.5)
        engine.interrupt()

    begin = time.monotonic()
    table, engine = drive(a_load(steady(**{"for": 60, **loop})), sleeping(0.45), tmp_path, meanwhile)
    assert time.monotonic() - begin < 2
    assert engine.interrupted()
    span = engine.spans()[0]
    assert (span.ended - span.started).total_seconds() == pytest.approx(0.5, abs=0.1)
    assert table.num_rows == span.intended == span.ok + span.failed
    assert engine.errors.keys() <= {"drained"}


def test_an_interruption_cuts_the_drain_short(tmp_path):
    """Asked to end while it drains, the engine waits no longer than `hurry`."""

    async def meanwhile(engine):
        await asyncio.sleep(0.4)
        engine.interrupt()

    begin = time.monotonic()
    table, _ = drive(a_load(steady(**{"for": 0.2, "rate": 50}), drain=60), sleeping(60), tmp_path, meanwhile)
    assert time.monotonic() - begin < 2
    assert table["error"].to_pylist() == ["drained"] * 10


def test_requests_are_numbered_by_the_schedule(tmp_path):
    """Numbers run from 0 through all phases in the order of the schedule: they decide what a request holds."""
    phases = ({"name": "warmup", "for": 0.2, "rate": 100}, steady(**{"for": 0.2, "rate": 100, "arrival": "poisson"}))
    table, _ = drive(a_load(*phases), sleeping(0), tmp_path)
    frame = table.select(["request", "intended"]).to_pandas().sort_values("intended")
    assert frame.request.tolist() == list(range(len(frame)))
