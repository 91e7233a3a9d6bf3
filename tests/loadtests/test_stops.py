"""What ends a phase: its time, its count, its steadiness, the end of its trace; and how users begin."""

import asyncio
import random
import time

import numpy as np
import pytest

from loadtests.steady import BATCHES, RunningSums, Steadiness, Sums
from tests.loadtests.test_engine import Scripted, sleeping
from tests.loadtests.tools import a_load, drive, seconds

pytestmark = pytest.mark.timing


def lasted(engine, phase=0):
    """Return how long a phase lasted, in seconds."""
    span = engine.spans()[phase]
    return (span.ended - span.started).total_seconds()


def steady(**more):
    """Describe a phase that may last a minute."""
    return {"name": "steady", "for": 60, **more}


def test_a_count_ends_an_open_loop_when_the_next_would_be_due(tmp_path):
    """30 requests at 100/s: exactly these are sent, and the phase lasts 0.3 s, so that its rate is as asked for."""
    phases = (steady(rate=100, arrival="constant", requests=30), {"name": "more", "for": 0.2, "rate": 50})
    table, engine = drive(a_load(*phases), sleeping(0), tmp_path)
    first, second = engine.spans()
    assert (first.intended, first.scheduled, first.stopped, first.rate) == (30, 30, "requests", 100)
    assert lasted(engine) == pytest.approx(0.3, abs=1e-5)
    assert second.stopped == "time"
    assert second.started == first.ended
    assert sorted(table["request"].to_pylist()) == list(range(table.num_rows))


def test_a_count_that_is_not_reached_ends_by_time(tmp_path):
    """`for` bounds a phase whatever its count is."""
    _, engine = drive(a_load(steady(**{"for": 0.2}, rate=100, requests=1000)), sleeping(0), tmp_path)
    assert engine.spans()[0].stopped == "time"
    assert lasted(engine) == pytest.approx(0.2, abs=1e-5)


def test_a_count_ends_a_closed_loop_when_all_have_begun(tmp_path):
    """4 users and 10 requests: ten are sent, never more, and the phase ends as the eleventh would begin."""
    phases = (steady(users=4, requests=10, think=0.01), {"name": "more", "for": 0.3, "users": 4})
    table, engine = drive(a_load(*phases), sleeping(0.1), tmp_path)
    first = engine.spans()[0]
    assert (first.intended, first.ok, first.stopped) == (10, 10, "requests")
    assert 0.2 < lasted(engine) < 0.35
    frame = table.select(["phase", "user", "sent", "done"]).to_pandas()
    assert (frame.phase == "steady").sum() == 10
    assert set(frame[frame.phase == "more"].user) == {0, 1, 2, 3}
    for moment in frame.sent:  # users go on in the next phase, and are never there twice
        assert ((frame.sent <= moment) & (frame.done > moment)).sum() <= 4


def test_an_end_before_its_time_wakes_those_who_think(tmp_path):
    """Users who think for a minute do not hold up the phase that follows a count."""
    phases = (steady(users=3, requests=3, think=30), {"name": "more", "for": 0.2, "users": 3})

    async def meanwhile(engine):
        await asyncio.sleep(0.3)
        engine.end_phase(0, time.monotonic(), "requests")

    begin = time.monotonic()
    _, engine = drive(a_load(*phases), sleeping(0.01), tmp_path, meanwhile)
    assert time.monotonic() - begin < 3
    assert engine.spans()[1].intended >= 3


def test_users_begin_one_by_one(tmp_path):
    """With `stagger` the first request of user u of n comes u/n of it into the phase; nobody is missing after that."""
    load = a_load({"name": "warmup", "for": 1, "users": 5, "stagger": 0.5}, steady(**{"for": 0.3}, users=5))
    table, engine = drive(load, sleeping(0.05), tmp_path)
    frame = table.select(["phase", "user", "intended"]).to_pandas()
    begin = engine.spans()[0].started
    first = frame[frame.phase == "warmup"].groupby("user").intended.min().map(lambda at: (at - begin).total_seconds())
    assert first.tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=0.02)
    assert set(frame[frame.phase == "steady"].user) == set(range(5))


def test_a_ramp_is_sent_as_it_was_asked_for(tmp_path):
    """A ramp from 0 to 200/s over 1 s sends 100 requests, three quarters of them in its second half."""
    load = a_load(steady(**{"for": 1}, ramp={"from": 0, "to": 200}, arrival="constant"))
    table, engine = drive(load, sleeping(0), tmp_path)
    span = engine.spans()[0]
    assert (span.intended, span.scheduled, span.rate) == (100, 100, pytest.approx(100))
    late = seconds(table, "intended", "intended").size - 25
    middle = span.started.timestamp() + 0.5
    assert (table["intended"].cast("int64").to_numpy() / 1e9 >= middle).sum() == pytest.approx(late, abs=1)


def test_a_trace_ends_one_gap_after_its_last_arrival(tmp_path):
    """A replay keeps the recorded times, and the phase ends with it, not with `for`."""
    trace = tmp_path / "trace.jsonl"
    trace.write_text("".join(f'{{"timestamp": {at}}}\n' for at in (0, 0.02, 0.2, 0.3)))
    table, engine = drive(a_load(steady(trace=str(trace), time_scale=2)), sleeping(0), tmp_path)
    span = engine.spans()[0]
    assert (span.intended, span.scheduled, span.stopped, span.arrival) == (4, 4, "trace", "trace")
    assert lasted(engine) == pytest.approx(0.8, abs=1e-5)
    assert span.rate == pytest.approx(5)
    at = np.sort(table["intended"].cast("int64").to_numpy())
    assert (at - at[0]) / 1e9 == pytest.approx([0, 0.04, 0.4, 0.6], abs=1e-6)


def test_a_steady_service_ends_the_phase(tmp_path):
    """A service that is slow at first and then the same: the phase ends a window after it has settled."""
    begin = time.monotonic()

    async def script(_number):
        settled = time.monotonic() - begin > 1
        await asyncio.sleep(random.uniform(0.9, 1.1) * (0.02 if settled else 0.2))

    load = a_load(steady(**{"for": 15}, rate=400, until="steady", window=1))
    _, engine = drive(load, Scripted(script), tmp_path)
    span = engine.spans()[0]
    assert span.stopped == "steady"
    assert 2 < lasted(engine) < 10
    assert span.scheduled == span.intended == span.ok


def sums(latency, rate=200, seed=0, batches=200):
    """Yield sums batch by batch (0.5 s): Poisson arrivals, lognormal latencies of a mean that goes with the batch."""
    chance = np.random.default_rng(seed)
    total = Sums()
    yield total
    for batch in range(batches):
        values = latency(batch) * chance.lognormal(-0.125, 0.5, chance.poisson(rate / 2))
        total = total + Sums(len(values), values.sum(), values.sum())
        yield total


def stops(latency, **more):
    """Return after how many batches a load counts as steady, or None."""
    rule = Steadiness(BATCHES * 0.5)
    return next((batch for batch, each in enumerate(sums(latency, **more)) if rule.add(each)), None)


def test_a_steady_load_is_told_within_a_few_windows():
    """Of twenty steady loads all are told, none before a window has passed, most within two."""
    found = [stops(lambda _batch: 0.1, seed=seed) for seed in range(20)]
    assert all(batch is not None and batch >= BATCHES for batch in found)
    assert np.median(found) <= 2 * BATCHES


def test_a_load_that_grows_is_not_steady():
    """Latency that grows by a half each window, as behind a saturated service, is never called steady."""
    assert [stops(lambda batch: 0.1 * 1.02**batch, seed=seed) for seed in range(20)] == [None] * 20


def test_too_few_answers_are_not_steady():
    """At 4 requests a second a window of 10 s does not know its mean to 10 %."""
    assert stops(lambda _batch: 0.1, rate=4, batches=100) is None


def test_requests_in_progress_are_integrated():
    """Two requests, of 2 s and of 1 s so far, give 3 s of progress, and a mean by the length of time."""
    running = RunningSums()
    running.begin(1.0)
    running.begin(3.0)
    running.end(3.0, 2.0)
    assert running.at(4.0) == Sums(answers=1, latency=2.0, progress=3.0)
