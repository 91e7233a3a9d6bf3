"""A real Prometheus over a real node_exporter: scraped, snapshotted, killed, opened again."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from prometheus import replay, server, snapshot, web
from prometheus.client import Client, PrometheusError
from prometheus.config import Basic, Scrape, write_config
from prometheus.loopback import free_port
from prometheus.version import Version
from runs.directory import RunDirectory

pytestmark = pytest.mark.real


class Pair:
    """Prometheus and node_exporter, started here."""

    def __init__(self, place, scrapes=True):
        self.place = place
        node_web = web.write_web_config(place, "node", web.Credentials.generate())
        self.web = web.write_web_config(place, "prometheus", web.Credentials.generate())
        self.node_address = f"127.0.0.1:{free_port()}"
        address = f"127.0.0.1:{free_port()}"
        auth = Basic("dashcam", node_web.password_file)
        targets = [Scrape("node", "sidecar", "n1", self.node_address, auth)] if scrapes else []
        config = write_config(place, targets, run_id="run-1", interval=0.5, version=Version(2, 42))
        self.data = place / "data"
        node = server.node_exporter_command("prometheus-node-exporter", self.node_address, node_web.config)
        live = server.live_command("prometheus", config, self.data, address, self.web.config)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.node = subprocess.Popen(node, **quiet)
        self.prometheus = subprocess.Popen(live, **quiet)
        self.client = Client(f"http://{address}", "dashcam", self.web.password_file)
        self.wait(self.client.ready)

    def wait(self, ask, within=30):
        """Poll until `ask` gives something true."""
        deadline = time.monotonic() + within
        while not (found := ask()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return found

    def stop(self):
        """End both."""
        for child in (self.prometheus, self.node):
            child.terminate()
            child.wait(20)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A pair that has scraped for some seconds."""
    made = Pair(tmp_path_factory.mktemp("pair"))
    made.wait(lambda: [t for t in made.client.targets() if t.health == "up"])
    made.wait(lambda: [s for s in made.client.query("count_over_time(up[1m])") if s.values[0] >= 4])
    yield made
    made.stop()


def digests(path):
    """Return the SHA-256 of every file below a directory."""
    return {p.relative_to(path): hashlib.sha256(p.read_bytes()).hexdigest() for p in path.rglob("*") if p.is_file()}


def test_nothing_answers_without_its_secret(pair):
    """Prometheus and node_exporter answer 401 without, and with a wrong, password."""
    for url in (pair.client.url, f"http://{pair.node_address}/metrics"):
        assert requests.get(url, timeout=5).status_code == 401
        assert requests.get(url, auth=("dashcam", "wrong"), timeout=5).status_code == 401


def test_series_carry_the_labels_of_the_run(pair):
    """run_id, node, role, job and a readable instance are on each series."""
    labels = pair.client.query("up")[0].labels
    assert {name: labels[name] for name in ("run_id", "node", "role", "job")} == {
        "run_id": "run-1", "node": "n1", "role": "sidecar", "job": "node",
    }  # fmt: skip
    assert labels["instance"].startswith("n1:")


def test_node_exporter_has_what_a_benchmark_needs(pair):
    """CPU, memory, network, disks and pressure are collected; the exporter's own Go series are not."""
    names = set(pair.client.label_values("__name__", time.time() - 60, time.time()))
    assert names >= {
        *("node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_network_receive_bytes_total"),
        *("node_disk_read_bytes_total", "node_pressure_cpu_waiting_seconds_total"),
    }
    assert "go_goroutines" not in names


def test_wrong_password_is_said(pair, tmp_path):
    """A client with another run's password learns that this is not its Prometheus."""
    (tmp_path / "password").write_text("other")
    with pytest.raises(PrometheusError, match="another Prometheus"):
        Client(pair.client.url, "dashcam", tmp_path / "password").query("up")


def test_bad_query_is_said(pair):
    """What Prometheus refuses is said in its words."""
    with pytest.raises(PrometheusError, match="parse error"):
        pair.client.query("up{")


def test_snapshot_opens_again_unchanged(pair, tmp_path):
    """A snapshot holds the head, opens in another Prometheus, answers the same, and is not touched by that."""
    run = RunDirectory.create(tmp_path, "20260101-000000-a-0000")
    found = snapshot.take(pair.client, pair.data, run)
    assert len(found) == 1
    assert found[0].samples > 1000
    before = digests(run.tsdb)
    with replay.open_blocks(run.tsdb, tmp_path / "scratch") as opened:
        there = opened.client.samples("up", found[0].start, found[0].end)
        here = pair.client.samples("up", found[0].start, found[0].end)
        assert there[0].times.tolist() == here[0].times[: len(there[0].times)].tolist()
        assert there[0].labels["run_id"] == "run-1"
    assert digests(run.tsdb) == before
    assert list((tmp_path / "scratch").iterdir()) == []
    assert not any((pair.data / "snapshots").iterdir())


def test_empty_head_gives_no_block(tmp_path):
    """A Prometheus that never scraped gives no block and no error."""
    empty = Pair(tmp_path, scrapes=False)
    run = RunDirectory.create(tmp_path, "20260101-000000-a-0000")
    try:
        assert snapshot.take(empty.client, empty.data, run) == []
        assert list(run.tsdb.iterdir()) == []
    finally:
        empty.stop()


def test_killed_prometheus_is_collected(tmp_path):
    """After kill -9 the WAL gives every scrape up to the last."""
    pair = Pair(tmp_path)
    run = RunDirectory.create(tmp_path, "20260101-000000-a-0000")
    try:
        pair.wait(lambda: [s for s in pair.client.query("count_over_time(up[1m])") if s.values[0] >= 3])
        last = pair.client.samples("up", time.time() - 60, time.time())[0].times[-1]
        pair.prometheus.send_signal(signal.SIGKILL)
        pair.prometheus.wait()
        found = snapshot.collect_dead(pair.data, run, tmp_path / "scratch")
        assert len(found) == 1
        with replay.open_blocks(run.tsdb, tmp_path / "scratch") as opened:
            assert opened.client.samples("up", found[0].start, found[0].end)[0].times[-1] >= last
    finally:
        pair.stop()


def test_broken_block_is_said(tmp_path):
    """A block that lacks a part is named, not opened."""
    (tmp_path / "01ABC").mkdir()
    (tmp_path / "01ABC" / "meta.json").write_text("{}")
    with pytest.raises(PrometheusError, match="index, chunks missing"):
        snapshot.blocks(tmp_path)


OPENER = """
import pathlib, sys
from prometheus import replay
place = pathlib.Path(sys.argv[1])
with replay.open_blocks(place / "tsdb", place) as opened:
    print(opened.process.pid, flush=True)
    sys.stdin.read()
"""


def test_a_replay_ends_with_who_opened_it(tmp_path):
    """kill -9 of a command that has a recording open leaves no Prometheus behind."""
    argv = [sys.executable, "-c", OPENER, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as opener:
        pid = int(opener.stdout.readline())
        opener.kill()
    deadline = time.monotonic() + 10
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            break
        if state == "Z":
            break
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.05)
