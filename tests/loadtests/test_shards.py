"""A load of several processes: the union of their shares is the load, and they live and die together."""

import contextlib
import json
import os
import resource
import signal
import time
from pathlib import Path

import aiohttp
import numpy as np
import pandas as pd
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from jobs import identity
from loadtests import progress, records, schedule
from loadtests.clock import Clock
from loadtests.shards import sync
from loadtests.window import Window, quantile
from runs.recipe import Phase
from tests.loadtests.tools import TOKEN, Python, a_plan, free_port, wait_for

pytestmark = pytest.mark.timing

STEADY = {"name": "steady", "for": 1, "rate": 150}


def shared(directory, url, *phases, processes=2, **more):
    """Write the plan of a load of two processes; returns it and where it writes."""
    load = {"processes": processes, **more.pop("load", {})}
    return a_plan(directory, url, *phases, load=load, **more), directory / "load"


def carried_out(directory, url, *phases, **more):
    """Run a shared load to its end; returns its records and its result."""
    path, output = shared(directory, url, *phases, **more)
    with Python("loadtests", str(path)) as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    count = records.finish(output)
    frame = pd.read_parquet(output / records.PARQUET)
    assert len(frame) == count
    assert frame.request.is_unique
    return frame, json.loads((output / progress.RESULT).read_text())


def children(process):
    """Return the pids of a process's children, by shard."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            words = (path / "cmdline").read_bytes().split(b"\0")
            if (
                b"loadtests.shards" in words
                and int((path / "stat").read_text().rsplit(")")[1].split()[1]) == process.pid
            ):
                found[int(words[-2])] = int(path.name)
    return dict(sorted(found.items()))


def gone(pids, within=10):
    """Tell whether processes end within some seconds."""
    deadline = time.monotonic() + within
    while any(identity.start_ticks(pid) is not None for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_two_processes_send_exactly_the_schedule(server, tmp_path):
    """Every intended time of every phase is there once, to the microsecond, numbered by the schedule; from both."""
    warmup = {"name": "warmup", "for": 0.5, "rate": 90, "arrival": "constant"}
    ramp = {"name": "up", "for": 0.5, "ramp": {"from": 10, "to": 200}, "measured": True}
    count = {"name": "count", "for": 9, "rate": 100, "requests": 33, "arrival": "gamma", "burstiness": 0.5}
    phases = (warmup, STEADY, ramp, count)
    frame, result = carried_out(tmp_path, f"{server}plain", *phases, load={"seed": 5})
    assert frame.ok.all()
    assert sorted(frame.request) == list(range(len(frame)))
    assert frame.sort_values("request").intended.is_monotonic_increasing
    for index, phase in enumerate(phases):
        span, own = result["phases"][index], frame[frame.phase == phase["name"]].sort_values("intended")
        due = schedule.offsets(Phase.model_validate(phase), index, 5)[: phase.get("requests")]
        offsets = (own.intended - pd.Timestamp(span["started"])).dt.total_seconds()
        assert offsets.to_numpy() == pytest.approx(due, abs=2e-6)
        assert span["scheduled"] == span["intended"] == span["ok"] == len(due)
    assert [span["stopped"] for span in result["phases"]] == ["time", "time", "time", "requests"]
    parity = frame[frame.phase == "steady"].request % 2
    assert abs(parity.sum() - len(parity) / 2) <= 1
    assert result["notes"]["processes"]["clock_error_seconds"] == 0
    assert f" of {len(frame)} good answers" in result["notes"]["verified"]["usage"]  # those of both
    lag = np.sort((frame[frame.phase == "steady"].sent - frame[frame.phase == "steady"].intended).dt.total_seconds())
    assert result["phases"][1]["lag_p50"] == pytest.approx(lag[-(-len(lag) // 2) - 1], rel=1.1e-4, abs=2e-9)


def test_users_and_counts_are_shared_out(server, tmp_path):
    """Five users and 60 requests over two processes: five and sixty, and the phase ends for all at once."""
    closed = {"name": "closed", "for": 30, "users": 5, "requests": 60, "think": 0.02, "measured": True}
    frame, result = carried_out(tmp_path, f"{server}steady,ttft=0.02", closed, STEADY)
    assert set(frame.user.dropna()) == {0, 1, 2, 3, 4}
    assert (frame.phase == "closed").sum() == 60
    first, second = result["phases"]
    assert (first["stopped"], first["intended"], first["users"]) == ("requests", 60, 5)
    assert first["ended"] == second["started"]
    assert second["scheduled"] == second["intended"]


def test_a_steady_load_ends_for_all_at_once(server, tmp_path):
    """The parent judges what both measure: the phase ends before its time, at one instant."""
    until = {"name": "warmup", "for": 20, "rate": 200, "until": "steady", "window": 2}
    frame, result = carried_out(tmp_path, f"{server}steady,ttft=0.05,n=1", until, STEADY)
    first, second = result["phases"]
    assert first["stopped"] == "steady"
    assert first["ended"] == second["started"]
    assert first["scheduled"] == first["intended"]
    assert (frame[frame.phase == "warmup"].intended < pd.Timestamp(first["ended"])).all()
    assert second["scheduled"] == second["intended"]


def test_one_page_of_series_for_all(server, tmp_path):
    """/metrics adds the processes up; what is the same in all stays single; each one's CPU is there."""
    path, output = shared(tmp_path, f"{server}plain", STEADY, linger=True)
    plan = json.loads(path.read_text())
    with Python("loadtests", str(path)) as process:
        done = wait_for(output, lambda state: state.state == "done", process)
        url, headers = f"http://{plan['listen']}/metrics", {"Authorization": f"Bearer {TOKEN}"}
        text = requests.get(url, headers=headers, timeout=5).text
        assert requests.get(url.replace("metrics", "shards"), timeout=5).status_code == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    value = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    steady = ("phase", "steady")
    assert value["load_requests_intended_total", (steady,)] == done.intended == done.ok
    assert value["load_requests_total", (("outcome", "ok"), steady)] == done.ok
    assert value["load_request_duration_seconds_count", (steady,)] == done.ok
    assert value["load_requests_in_flight", ()] == 0
    assert value["run_phase", (("phase", "done"),)] == 1
    busy = [value["load_client_cpu_seconds_total", (("shard", shard),)] for shard in ("0", "1", "parent")]
    assert all(used > 0 for used in busy)
    assert value["load_process_cpu_seconds_total", ()] == pytest.approx(sum(busy), abs=0.05)
    assert 0 < done.p50_latency < done.p99_latency < 1


@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_dies_fails_the_load(server, tmp_path, victim):
    """Killed hard, one process ends the load: it says which and how, and the records of all are kept."""
    path, output = shared(tmp_path, f"{server}plain", {**STEADY, "for": 60}, linger=True)
    with Python("loadtests", str(path)) as process:
        wait_for(output, lambda state: state.done > 200, process)
        pids = children(process)
        assert list(pids) == [0, 1]
        os.kill(pids[victim], signal.SIGKILL)
        _, told = process.communicate(timeout=15)
        assert gone(pids.values())
    assert process.returncode == 1
    state = progress.read(output)
    assert state.state == "failed"
    assert f"load process {victim} of 2 (pid {pids[victim]} on " in state.message
    assert "was killed by signal 9" in state.message
    assert state.message in told
    assert state.phases[0].intended > 200
    records.finish(output)
    frame = pd.read_parquet(output / records.PARQUET)
    assert frame.request.is_unique
    counts = (frame.request % 2).value_counts()
    assert counts[1 - victim] >= counts[victim] > 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_all(server, tmp_path, number):
    """Asked to end, all processes end in good order, with every request recorded; exit code 0."""
    path, output = shared(tmp_path, f"{server}silent", {**STEADY, "for": 60}, hurry=0.3, linger=True)
    with Python("loadtests", str(path)) as process:
        wait_for(output, lambda state: state.intended > 20, process)
        pids = children(process)
        process.send_signal(number)
        assert process.wait(10) == 0
        assert gone(pids.values(), within=1)
    state, result = progress.read(output), json.loads((output / progress.RESULT).read_text())
    assert state.state == result["state"] == "interrupted"
    assert result["phases"][0]["stopped"] == "interrupted"
    assert state.errors == {"drained": state.intended}
    assert records.finish(output) == state.intended == state.failed


def test_a_signal_before_the_word_to_go(server, tmp_path):
    """Ended while they wait, the processes leave an empty record."""
    path, output = shared(tmp_path, f"{server}plain", STEADY, go_file=str(tmp_path / "go"))
    with Python("loadtests", str(path)) as process:
        wait_for(output, lambda state: state.state == "ready", process)
        pids = children(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert gone(pids.values(), within=1)
    assert progress.read(output).state == "interrupted"
    assert records.finish(output) == 0


def test_without_their_parent_they_end(server, tmp_path):
    """After kill -9 of the parent its processes end by themselves, with what they did on disk."""
    path, output = shared(tmp_path, f"{server}plain", {**STEADY, "for": 60})
    with Python("loadtests", str(path)) as process:
        wait_for(output, lambda state: state.done > 100, process)
        pids = children(process)
        process.kill()
        process.wait()
        assert gone(pids.values(), within=15)
    assert records.finish(output) > 100


def test_a_failed_set_up_says_why(tmp_path):
    """The set-up of the first process fails: its own words are the load's, and nobody is left."""
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    load = {"generator": "vector", "options": {"dataset": {"n": 10, "dim": 2}, "queries": 2}}
    path, output = shared(tmp_path, "", STEADY, target={"protocol": "postgres", "url": url}, load=load)
    with Python("loadtests", str(path)) as process:
        process.communicate(timeout=30)
    assert process.returncode == 1
    assert url in progress.read(output).message


def test_a_full_disk_says_so(server, tmp_path):
    """Where one process can no longer write, the load ends with that reason."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (32_000, 32_000))

    path, output = shared(tmp_path, f"{server}plain", {**STEADY, "for": 60, "rate": 400})
    with Python("loadtests", str(path), preexec_fn=limit) as process:
        process.communicate(timeout=30)
    assert process.returncode == 1
    assert "File too large" in progress.read(output).message
    assert records.finish(output) > 50


def test_processes_of_another_node_join(server, tmp_path):
    """A starter elsewhere brings its processes to the parent; it stays until it is stopped, as the parent does."""
    path, output = shared(tmp_path, f"{server}plain", STEADY, shards=[1, 2], linger=True)
    address = json.loads(path.read_text())["listen"]
    with (
        Python("loadtests.shards", str(path), address, "3", "1", "2") as starter,
        Python("loadtests", str(path)) as process,
    ):
        done = wait_for(output, lambda state: state.state == "done", process)
        assert starter.poll() is None
        for each in (starter, process):
            each.send_signal(signal.SIGTERM)
        assert (process.wait(10), starter.wait(10)) == (0, 0)
    assert records.finish(output) == done.ok == done.intended
    frame = pd.read_parquet(output / records.PARQUET)
    assert sorted(frame.request) == list(range(len(frame)))
    assert (frame.request % 3).value_counts().min() > len(frame) // 3 - 2


def test_a_starter_elsewhere_tells_that_one_died(server, tmp_path):
    """Where a process of another node is killed, its starter ends too, and the load says which it was."""
    path, output = shared(tmp_path, f"{server}plain", {**STEADY, "for": 60}, shards=[1, 1], linger=True)
    address = json.loads(path.read_text())["listen"]
    with (
        Python("loadtests.shards", str(path), address, "2", "1", "1") as starter,
        Python("loadtests", str(path)) as process,
    ):
        wait_for(output, lambda state: state.done > 50, process)
        os.kill(children(starter)[1], signal.SIGKILL)
        assert starter.wait(15) == 1
        assert process.wait(15) == 1
    assert "load process 1 of 2" in progress.read(output).message


async def test_another_nodes_clock_is_set_by_asking():
    """Without a common boot, a clock is set by the parent's answers: it is off by less than it says."""
    parent = Clock((time.monotonic() - 100.0, 10**18))  # a wall clock that has nothing to do with ours

    class Asked:
        async def send(self, _kind):
            """Take a while, as a network does."""
            time.sleep(0.001)  # noqa: ASYNC251 - it is the network

        async def receive(self):
            """Answer, after a while."""
            told = {**sync.answer(parent), "boot": "another"}
            time.sleep(0.001)  # noqa: ASYNC251 - it is the network
            return told

    clock, error = await sync.synchronise(Asked())
    now = time.monotonic()
    assert 0.001 <= error < 0.01
    assert abs(clock.utc_ns(now) - parent.utc_ns(now)) / 1e9 <= error
    clock, error = await sync.synchronise(type("Here", (Asked,), {"receive": lambda _self: _told(parent)})())
    assert (error, clock.utc_ns(now)) == (0.0, parent.utc_ns(now))


async def _told(clock):
    return sync.answer(clock)


def test_recent_latencies_add_up():
    """Latencies of two processes together give the quantiles of both, to 1 %."""
    chance, windows = np.random.default_rng(0), [Window(), Window()]
    values = chance.lognormal(-3, 1, 4000)
    for number, value in enumerate(values):
        windows[number % 2].add(100.0, value)
    digests = [window.digest(101.0) for window in windows]
    for p in (0.5, 0.99):
        assert quantile(digests, p) == pytest.approx(np.quantile(values, p, method="inverted_cdf"), rel=0.011)
    assert quantile([Window().digest(0.0)], 0.5) is None


async def test_nobody_joins_without_the_secret(server, tmp_path):
    """A stranger is refused before it can say a word."""
    path, output = shared(tmp_path, f"{server}plain", STEADY, go_file=str(tmp_path / "go"))
    plan = json.loads(path.read_text())
    with Python("loadtests", str(path)) as process:
        wait_for(output, lambda state: state.state == "ready", process)
        async with aiohttp.ClientSession() as session:
            for header in ({}, {"Authorization": "Bearer wrong"}):
                with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                    await session.ws_connect(f"http://{plan['listen']}/shards", headers=header)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
