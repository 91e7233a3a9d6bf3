"""Against servers of known delays: what is reported is what was."""

import asyncio
import time

import numpy as np
import pyarrow.compute as pc
import pytest

from tests.loadtests.test_engine import Scripted, openai
from tests.loadtests.tools import a_load, drive, seconds, service

pytestmark = pytest.mark.timing


def steady(**more):
    """Describe a phase."""
    return {"name": "steady", "for": 4, "arrival": "poisson", **more}


def test_every_percentile_is_within_one_percent_of_the_truth(tmp_path):
    """A service whose delays are known: each percentile of the latency is within 1 % of that of the delays."""
    chance = np.random.default_rng(1)
    delays = np.clip(chance.lognormal(np.log(0.25), 0.5, 4000), 0.1, 3)
    spent = {}

    async def script(number):
        begin = time.monotonic()
        await asyncio.sleep(delays[number])
        spent[number] = time.monotonic() - begin

    load = a_load(steady(rate=200))
    table, _ = drive(load, Scripted(script), tmp_path)
    true = np.array([delays[number] for number in table["request"].to_pylist()])
    for p in (1, 10, 25, 50, 75, 90, 95, 99):
        assert np.percentile(seconds(table, "done", "intended"), p) == pytest.approx(np.percentile(true, p), rel=0.01)


def test_percentiles_over_the_network_are_within_one_percent(server, tmp_path):
    """The same through HTTP and a stream: the first token after 0.5 s, the whole after 0.8 s."""
    load = a_load(steady(rate=40))
    table, _ = drive(load, openai(f"{server}steady,ttft=0.5,gap=0.1,n=4", load), tmp_path)
    assert pc.all(table["ok"]).as_py()
    for p in (10, 50, 90, 95):
        assert np.percentile(seconds(table, "first_token", "intended"), p) == pytest.approx(0.5, rel=0.01)
        assert np.percentile(seconds(table, "done", "intended"), p) == pytest.approx(0.8, rel=0.01)


def test_an_open_loop_keeps_its_schedule_under_an_overloaded_service(tmp_path):
    """Offered 100/s, a service that manages 40/s: the schedule is kept, and latency grows as arithmetic says.

    Request n comes at n/100 s and is done at (n+1)/40 s, so that the last of 200 waits 3 s.
    """
    load, line = a_load(steady(**{"for": 2}, rate=100, arrival="constant")), {"free": 0.0}

    async def script(_number):
        line["free"] = max(line["free"], time.monotonic()) + 1 / 40
        await asyncio.sleep(line["free"] - time.monotonic())

    table, engine = drive(load, Scripted(script), tmp_path)
    assert engine.spans()[0].intended == 200
    assert np.percentile(seconds(table, "sent", "intended"), 99) < 0.02
    by_number = table.sort_by("request")
    latency = seconds(by_number, "done", "intended")
    expected = (np.arange(200) + 1) / 40 - np.arange(200) / 100
    assert latency[50:] == pytest.approx(expected[50:], rel=0.02)


def test_a_stall_of_one_second_shows_in_the_p99(tmp_path):
    """A stall of 1 s in 10 s at 100/s: a tenth of all requests wait up to 1 s, so p99 is 0.9 s, not milliseconds."""
    load = a_load(steady(**{"for": 10}, rate=100, arrival="constant"))
    with service() as url:
        table, _ = drive(load, openai(f"{url}stall,at=4,lasts=1", load), tmp_path)
    latency = seconds(table, "done", "intended")
    assert len(latency) == 1000
    assert np.percentile(latency, 99) == pytest.approx(0.9, rel=0.06)
    assert np.percentile(latency, 50) < 0.02
