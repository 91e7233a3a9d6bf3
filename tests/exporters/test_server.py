"""The sidecar as a process: its token, its manners with hostile clients, its collectors' independence."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests
from prometheus_client.core import GaugeMetricFamily

from exporters import cli
from exporters.collector import Context
from exporters.registry import names
from exporters.runner import Runner

TOKEN = "s3cret-token"


@pytest.fixture
def sidecar(tmp_path):
    """A sidecar on a free port; gives its address."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    child = subprocess.Popen(
        [sys.executable, "-m", "exporters", "process", "cgroup", "--token-file", str(token), "--run-id", "run-1"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield child.stdout.readline().split()[1]
    child.terminate()
    assert child.wait(5) == 0


def scrape(address, token=TOKEN, path="/metrics"):
    """Ask a sidecar."""
    return requests.get(f"http://{address}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=5)


@pytest.mark.real
def test_answers_its_token_only(sidecar):
    """Without the token everything is 401, other paths included; with it, /metrics and its run's id."""
    assert requests.get(f"http://{sidecar}/metrics", timeout=5).status_code == 401
    assert requests.get(f"http://{sidecar}/", timeout=5).status_code == 401
    for wrong in ("", "x", TOKEN + "x", TOKEN[:-1], "é"):
        headers = {"Authorization": f"Bearer {wrong}".encode()}
        assert requests.get(f"http://{sidecar}/metrics", headers=headers, timeout=5).status_code == 401
    answer = scrape(sidecar)
    assert answer.status_code == 200
    assert answer.headers["X-Dashcam-Run"] == "run-1"
    assert 'exporter_collector_success{collector="process"} 1.0' in answer.text
    assert scrape(sidecar, path="/other").status_code == 404


@pytest.mark.real
def test_slow_clients_do_not_stop_a_scrape(sidecar):
    """Hundreds of connections that never finish their request do not keep a scrape waiting."""
    host, port = sidecar.split(":")
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            slow = stack.enter_context(socket.create_connection((host, int(port)), timeout=5))
            slow.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        begin = time.monotonic()
        assert scrape(sidecar).status_code == 200
        assert time.monotonic() - begin < 2


@pytest.mark.real
@pytest.mark.parametrize(
    "words", [b"\r\n\r\n", b"\0" * 100 + b"\r\n\r\n", b"GET " + b"x" * 20000, b"GET / HTTP/1.1\n\n"]
)
def test_nonsense_is_survived(sidecar, words):
    """Bytes that are no request are answered or dropped; the sidecar goes on."""
    host, port = sidecar.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client, contextlib.suppress(OSError):
        client.sendall(words)
        client.shutdown(socket.SHUT_WR)
        client.recv(1000)
    assert scrape(sidecar).status_code == 200


@pytest.mark.real
def test_once_is_clean(tmp_path):
    """--once prints one scrape that promtool finds nothing wrong with."""
    made = subprocess.run([sys.executable, "-m", "exporters", *names(), "--once"], capture_output=True, check=True)
    done = subprocess.run(["promtool", "check", "metrics"], input=made.stdout, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr


def run(capsys, *arguments):
    """Run the command line in this process."""
    code = cli.run(arguments)
    return code, capsys.readouterr().err


def test_usage_errors(capsys, tmp_path):
    """What cannot be done is said in one line with the mend."""
    assert run(capsys, "proces") == (
        2,
        "exporter: no sidecar 'proces': did you mean 'process'? there are cgroup, process\n",
    )
    assert "--token-file is missing" in run(capsys, "process")[1]
    assert run(capsys, "process", "--listen", "nowhere")[0] == 2
    assert "cannot be read" in run(capsys, "process", "--token-file", str(tmp_path / "none"))[1]
    readable = tmp_path / "token"
    readable.write_text("x")
    readable.chmod(0o644)
    assert run(capsys, "process", "--token-file", str(readable)) == (
        1, f"exporter: the token file {readable} can be read by others: chmod 600 {readable}\n",
    )  # fmt: skip


def test_taken_port(capsys, tmp_path):
    """A port that is taken is named."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("x")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        code, err = run(capsys, "process", "--token-file", str(token), "--listen", address)
    assert code == 1
    assert address in err


class Good:
    """A collector that works."""

    def collect(self):
        """Give one family."""
        yield GaugeMetricFamily("good", "Fine.", value=1)


class Bad:
    """A collector that fails."""

    def collect(self):
        """Fail."""
        raise RuntimeError("broken")


class Hung:
    """A collector that reads what never comes, as from a hung mount: a FIFO without a writer."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = path

    def collect(self):
        """Hang."""
        self.path.read_text()
        yield GaugeMetricFamily("late", "Too late.", value=1)


def test_one_that_fails_or_hangs_stops_no_other(tmp_path, capsys):
    """The scrape answers within its deadline with the other collectors, and says what went wrong."""
    hung = Hung(tmp_path / "fifo")
    runner = Runner({"good": Good(), "bad": Bad(), "hung": hung}, Context(), 0.3, "1")
    threads = threading.active_count()
    for round_ in (1, 2, 3):
        begin = time.monotonic()
        text, failed = runner.scrape()
        assert time.monotonic() - begin < 0.6
        assert failed == ["bad", "hung"]
        lines = text.decode().splitlines()
        assert "good 1.0" in lines
        assert f'exporter_collector_timeouts_total{{collector="hung"}} {round_}.0' in lines
        assert f'exporter_collector_failures_total{{collector="bad"}} {round_}.0' in lines
        assert 'exporter_collector_success{collector="good"} 1.0' in lines
        assert 'exporter_collector_success{collector="hung"} 0.0' in lines
    assert threading.active_count() == threads
    assert capsys.readouterr().err == "collector bad: RuntimeError: broken\n"
    (tmp_path / "fifo").write_text("")
