"""/metrics over the network, by real sidecars on loopback."""

import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.exporters.exposition import Samples, check_metrics
from tests.exporters.sidecar import TOKEN, Sidecar, end, read_answer, serving

RUN = "20261123-142207-demo-a3f9"

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> "Sidecar":
    """Serve process and cgroup for this module."""
    with serving(tmp_path_factory.mktemp("sidecar"), "process", "cgroup", "--run-id", RUN) as one:
        yield one


def test_metrics(sidecar: Sidecar) -> None:
    """The exposition, its type, and the run in a header."""
    answer = sidecar.ask()
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["x-dashcam-run"] == RUN
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert Samples.parse(answer.body)("exporter_collector_success", collector="process") == 1
    check_metrics(answer.body)


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/", "/nothing"])
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x"])
def test_strangers_learn_nothing(sidecar: Sidecar, path: str, token: str | None) -> None:
    """Without the token every path answers the same."""
    answer = sidecar.ask(path, token)
    assert answer.status == 401
    assert b"exporter_" not in answer.body
    assert answer.headers["x-dashcam-run"] == RUN


@pytest.mark.parametrize(("method", "path"), [("GET", "/healthz"), ("GET", "/"), ("POST", "/metrics"), ("GET", "")])
def test_nothing_else_is_there(sidecar: Sidecar, method: str, path: str) -> None:
    """With the token, only GET and HEAD of /metrics are answered."""
    answer = sidecar.ask(path, method=method)
    assert answer.status == 404
    assert answer.headers["x-dashcam-run"] == RUN


def test_head_and_query(sidecar: Sidecar) -> None:
    """HEAD has no body; a query is passed over."""
    assert sidecar.ask(method="HEAD").body == b""
    assert sidecar.ask("/metrics?name[]=x").status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nAuthorization\r\n:\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nAuthorization: Bearer \xff\r\n\r\n",
    ],
)
def test_nonsense_is_refused(sidecar: Sidecar, request_bytes: bytes) -> None:
    """It is no reason to fall over."""
    assert sidecar.send(request_bytes).status == 401
    assert sidecar.ask().status == 200


def test_a_head_that_is_too_large(sidecar: Sidecar) -> None:
    """The connection is closed; memory stays bounded."""
    with sidecar.connect() as connection:
        try:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000)
            assert connection.recv(10) == b""
        except ConnectionError:
            pass
    assert sidecar.ask().status == 200


def test_a_request_that_comes_in_pieces(sidecar: Sidecar) -> None:
    """A slow but honest client is served."""
    with sidecar.connect() as connection:
        for piece in (b"GET /metr", b"ics HTTP/1.1\r\nAuthorization: Bea", f"rer {TOKEN}\r\n\r".encode(), b"\n"):
            connection.sendall(piece)
            time.sleep(0.02)
        assert read_answer(connection).status == 200


def test_slow_loris(sidecar: Sidecar) -> None:
    """Hundreds of connections that never finish their request do not stop a scrape, nor do new ones coming in."""
    lorises: list[socket.socket] = []
    try:
        for _ in range(700):
            loris = sidecar.connect()
            loris.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            lorises.append(loris)
        begun = time.monotonic()
        assert sidecar.ask().status == 200
        assert time.monotonic() - begun < 2.0
        stop = threading.Event()
        opened: list[socket.socket] = []

        def keep_coming() -> None:
            while not stop.is_set() and len(opened) < 2000:
                opened.append(sidecar.connect())

        flood = threading.Thread(target=keep_coming)
        flood.start()
        try:
            for _ in range(5):
                begun = time.monotonic()
                assert sidecar.ask().status == 200
                assert time.monotonic() - begun < 3.0
        finally:
            stop.set()
            flood.join(10)
            lorises += opened
    finally:
        for loris in lorises:
            loris.close()


def test_many_at_once(sidecar: Sidecar) -> None:
    """Twenty clients are all answered."""
    statuses: list[int] = []
    clients = [threading.Thread(target=lambda: statuses.append(sidecar.ask().status)) for _ in range(20)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(10)
    assert statuses == [200] * 20


def test_a_slow_head_is_cut_off(tmp_path: Path) -> None:
    """After the deadline, however steadily bytes trickle in."""
    with serving(tmp_path, "cgroup", code="import exporters.server\nexporters.server.HEAD_WITHIN = 0.4") as sidecar:
        with sidecar.connect() as connection:
            begun = time.monotonic()
            cut = False
            while not cut and time.monotonic() - begun < 5:
                try:
                    connection.sendall(b"x")
                    connection.settimeout(0.05)
                    cut = connection.recv(1) == b""
                except TimeoutError:
                    continue
                except ConnectionError:
                    cut = True
            assert cut
            assert 0.3 < time.monotonic() - begun < 3
        assert "x-dashcam-run" not in sidecar.ask().headers, "no run, no header"


HANGING = """
import exporters.registry as registry, time
from exporters.collector import CollectorKind
class Hang:
    name = "hang"
    def collect(self): time.sleep(3600)
found = dict(registry.collectors(), hang=CollectorKind("hang", "hangs", lambda context: Hang()))
registry.collectors = lambda: found
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_a_second(tmp_path: Path, number: signal.Signals) -> None:
    """Also while a collector hangs, a scrape waits for it, and a client idles."""
    with serving(tmp_path, "hang", "cgroup", "--timeout", "30", code=HANGING) as sidecar:
        idle, waiting = sidecar.connect(), sidecar.connect()
        with idle, waiting:
            waiting.sendall(f"GET /metrics HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
            time.sleep(0.1)
            code, seconds = end(sidecar, number)
        assert code == 0, (tmp_path / "stderr").read_text()
        assert seconds < 1.0
        assert (tmp_path / "stderr").read_text() == ""


def test_a_hanging_collector_behind_the_server(tmp_path: Path) -> None:
    """The scrape comes within the deadline, without the collector that hangs."""
    with serving(tmp_path, "hang", "cgroup", "--timeout", "0.3", code=HANGING) as sidecar:
        for _ in range(3):
            begun = time.monotonic()
            samples = Samples.parse(sidecar.ask().body)
            assert time.monotonic() - begun < 1.5
            assert samples("exporter_collector_success", collector="hang") == 0
            assert samples("exporter_collector_success", collector="cgroup") == 1
        assert samples("exporter_collector_timeouts_total", collector="hang") == 3
