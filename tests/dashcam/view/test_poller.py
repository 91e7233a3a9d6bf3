"""The view goes on whatever Prometheus does."""

import contextlib
import socket
import time

import pytest

from dashcam.view import poller as module
from dashcam.view.measures import Measures, Observer
from dashcam.view.poller import Poller
from prometheus.client import Client, PrometheusError


class Scripted:
    """An observer that answers, or fails, as told."""

    def __init__(self):
        self.error, self.looks = "", 0

    def look(self):
        """Answer."""
        self.looks += 1
        if self.error:
            raise PrometheusError(self.error)
        return Measures({"done": (({}, float(self.looks)),)})

    def past(self):
        """Return a little past."""
        return {"done": (1.0, 2.0)}


def until(ask, within=10):
    """Poll until `ask` gives something true."""
    deadline = time.monotonic() + within
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


@pytest.fixture
def fast(monkeypatch):
    """Looks that follow each other quickly, and answers that are soon too old."""
    monkeypatch.setattr(module, "EVERY", 0.02)
    monkeypatch.setattr(module, "STALE", 0.2)


@pytest.mark.usefixtures("fast")
def test_an_answer_that_is_too_old_is_none():
    """A Prometheus that dies is said to be gone, in few words; when it comes back its figures do."""
    observer = Scripted()
    with contextlib.closing(_Closing(Poller(observer))) as held:
        until(lambda: held.poller.latest()[0])
        assert held.poller.past() == {"done": (1.0, 2.0)}
        assert held.poller.past() == {}
        observer.error = "x: HTTPConnectionPool(...): Connection refused"
        trouble = until(lambda: held.poller.latest()[1])
        assert "(connection refused)" in trouble
        assert held.poller.latest()[0] is None
        observer.error = ""
        until(lambda: held.poller.latest()[0])


class _Closing:
    def __init__(self, poller):
        self.poller = poller

    def close(self):
        self.poller.stop()


@pytest.mark.usefixtures("fast")
def test_a_prometheus_that_hangs_holds_up_nothing(tmp_path):
    """One that takes the connection and never answers: the view asks, hears nothing, and says so at once."""
    (tmp_path / "password").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", "dashcam", tmp_path / "password", 0.3)
        with contextlib.closing(_Closing(Poller(Observer(client, 1, 1.0)))) as held:
            begun = time.monotonic()
            held.poller.latest()
            assert time.monotonic() - begun < 0.1
            assert "timed out" in until(lambda: "timed out" in held.poller.latest()[1] and held.poller.latest()[1])


@pytest.mark.usefixtures("fast")
def test_looks_at_a_dead_one_become_rare():
    """Each failure doubles the pause."""
    observer = Scripted()
    observer.error = "gone"
    with contextlib.closing(_Closing(Poller(observer))):
        time.sleep(0.7)
    assert observer.looks <= 7
