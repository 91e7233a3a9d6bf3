"""`replay` and `compare` of several real recordings."""

import contextlib
import json
import shutil
import signal
import socket
import urllib.parse
from pathlib import Path

import pytest
import requests

from prometheus.client import Client
from runs import seal
from runs.directory import RunDirectory
from tests.jobs.driver import Driver

pytestmark = [pytest.mark.real, pytest.mark.timing]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two short runs of one recipe."""
    made = Driver(tmp_path_factory.mktemp("pair"))
    made.write(4)
    for _ in range(2):
        made.call("run", str(made.recipe), "--json")
    assert len(made.runs()) == 2
    return made


@contextlib.contextmanager
def replayed(driver, *arguments):
    """Replay; gives what it answered, and sees that nothing is left of it."""
    child = driver.start("replay", *arguments, "--json")
    try:
        text = ""
        while not text.endswith("\n}\n"):
            line = child.stdout.readline()
            assert line, child.stderr.read()
            text += line
        facts = json.loads(text)
        yield facts
    finally:
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 0
    scratch = next(path for path in Path(facts["password_file"]).parents if path.name.startswith("dashcam-replay-"))
    assert not scratch.exists()
    with pytest.raises(OSError, match="efused"):
        socket.create_connection(("127.0.0.1", int(facts["api"].rpartition(":")[2])), timeout=2)


def test_two_runs_in_one_prometheus(pair):
    """Both answer in one query, told apart by run_id; the graph's own expression lays one over the other."""
    ids = [run.name for run in pair.runs()]
    with replayed(pair, *ids) as facts:
        client = Client(facts["api"], facts["user"], Path(facts["password_file"]))
        assert client.label_values("run_id", facts["start"] - 3600, facts["end"] + 3600) == ids
        words = urllib.parse.parse_qs(urllib.parse.urlparse(facts["url"]).query)
        found = {
            series.labels["run_id"]: series
            for series in client.query_range(words["g0.expr"][0], facts["start"], facts["end"], 0.5)
        }
        assert sorted(found) == ids
        first, second = (found[name].times[found[name].values > 8.0] for name in ids)
        assert abs(first[0] - second[0]) < 2  # both loads reach their rate at the same moment of the axis
        assert facts["runs"][0]["offset_seconds"] == 0
        assert facts["runs"][1]["offset_seconds"] < -5
        assert requests.get(f"{facts['api']}/api/v1/query", params={"query": "up"}, timeout=5).status_code == 401
    for run in pair.runs():
        assert seal.verify(RunDirectory(run)).intact


def test_one_run_twice_and_a_copy_of_it_are_one(pair, tmp_path):
    """The same blocks are served once, under the port that was asked for."""
    copy = tmp_path / pair.runs()[0].name
    shutil.copytree(pair.runs()[0], copy)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with replayed(pair, pair.runs()[0].name, str(copy), "--port", str(port)) as facts:
        assert facts["api"] == f"http://127.0.0.1:{port}"
        client = Client(facts["api"], facts["user"], Path(facts["password_file"]))
        assert len(client.label_values("run_id", facts["start"], facts["end"])) == 1


def test_a_port_that_is_taken_is_said(pair):
    """No other port is taken in its place: a tunnel waits at this one."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        done = pair.call("replay", "last", "--port", str(holder.getsockname()[1]))
    assert done.returncode == 1
    assert "is taken by another program" in done.stderr
    assert pair.call("replay", "last", "--port", "70000").returncode == 2


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda run: (run / "SHA256SUMS").unlink(), "is not sealed"),
        (lambda run: next(run.glob("tsdb/*/index")).write_bytes(b"x"), "is not as it was sealed (tsdb/"),
        (lambda run: shutil.rmtree(next(run.glob("tsdb/*"))), "is not as it was sealed (tsdb/"),
        (lambda run: (shutil.rmtree(run / "tsdb"), (run / "tsdb").mkdir(), seal.seal(RunDirectory(run))), "no series"),
    ],
)
def test_what_cannot_be_shown_is_refused(pair, tmp_path, harm, words):
    """Unsealed, damaged, empty: each is said in words, and nothing is started."""
    copy = tmp_path / pair.runs()[0].name
    shutil.copytree(pair.runs()[0], copy)
    (copy / "SHA256SUMS").chmod(0o644)
    harm(copy)
    done = pair.call("replay", "last", str(copy))
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stdout == ""


def test_compare_takes_repeats_together(pair):
    """Two runs of one recipe are one column with mean and spread, or two that do not differ where each is asked for."""
    ids = [run.name for run in pair.runs()]
    told = pair.json("compare", *ids)
    assert len(told["columns"]) == 1
    assert [run["id"] for run in told["columns"][0]["runs"]] == ids
    assert pair.json("compare", *ids, "--each")["differences"] == {"recipe": [], "programs": [], "nodes": []}
    text = pair.call("compare", *ids, "--each").stdout
    assert text.startswith(f"A  {ids[0]}")
    assert "latency p50" in text
    assert "recipe: as in A" in text
    done = pair.call("compare", "last")
    assert done.returncode == 2
    assert "two runs" in done.stderr
