"""A site's store: what is rendered, and a run's Prometheus that writes to a second real one, or to none."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from prometheus import remote, server, snapshot, web
from prometheus.client import Client
from prometheus.config import Basic, Scrape, groups, render, write_config
from prometheus.remote import RemoteError
from prometheus.version import Version
from runs.directory import RunDirectory
from runs.remote_write import RemoteWrite
from tests.prometheus.test_server import free_port

GOLDEN = Path(__file__).parent / "golden"


def asked(**more):
    """Return a store as a recipe asks for it."""
    return RemoteWrite.model_validate({"url": "https://mimir.site/api/v1/push"} | more)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("basic", {"user": "run", "password_file": "/home/u/mimir.password", "headers": {"X-Scope-OrgID": "hpc"}}),
        ("bearer", {"bearer_file": "/home/u/token", "ca_file": "/etc/ca.pem", "labels": {"cluster": "meluxina"},
                    "keep": "(service|load|gpu):.*"}),
    ],
)  # fmt: skip
def test_rendered(name, more, golden):
    """As it was looked at: secrets by path, the run's id and the site's labels on everything."""
    given = asked(**more)
    secret = Path(given.password_file or given.bearer_file or "")
    text = render(
        groups([Scrape("node", "sidecar", "n", "10.0.0.1:9100")]), interval=1.0, version=Version(2, 42),
        run_id="20260301-120000-demo-a3f9", store=remote.Remote(given, secret),
    )  # fmt: skip
    golden(GOLDEN / f"prometheus-remote-{name}.yml", text)


def test_promtool_takes_it(tmp_path):
    """promtool finds no fault in a configuration with a store."""
    secret = tmp_path / "token"
    secret.write_text("s3cret")
    store = remote.Remote(asked(bearer_file=str(secret), keep="up", labels={"site": "x"}), secret)
    path = write_config(tmp_path, [], run_id="r", interval=1.0, version=Version(2, 42), store=store)
    done = subprocess.run(["promtool", "check", "config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "s3cret" not in path.read_text()


def test_a_file_stays_where_it_is_and_a_variable_is_kept(tmp_path, monkeypatch):
    """A file's path is used as it is, without a copy; a variable's value goes into a 0600 file of the live run."""
    run = RunDirectory.create(tmp_path, "run-1")
    token = tmp_path / "token"
    token.write_text("s3cret")
    assert remote.resolve(asked(bearer_file=str(token)), run.secret).secret_file == token
    assert list(run.live.iterdir()) == []
    monkeypatch.setenv("SITE_TOKEN", "s3cret")
    kept = remote.resolve(asked(bearer_env="SITE_TOKEN"), run.secret).secret_file
    assert kept is not None
    assert kept.parent == run.live
    assert kept.read_text() == "s3cret"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert remote.resolve(asked(), run.secret).secret_file is None


@pytest.mark.parametrize(
    "more", [{"bearer_file": "/none/such"}, {"ca_file": "/none/such"}, {"bearer_env": "NO_SUCH_ONE"}]
)
def test_a_secret_that_is_not_there(more, tmp_path, monkeypatch):
    """What is missing is said with its name, before anything is started."""
    monkeypatch.delenv("NO_SUCH_ONE", raising=False)
    with pytest.raises(RemoteError, match=r"NO_SUCH_ONE|/none/such"):
        remote.resolve(asked(**more), lambda _name, _value: tmp_path / "x")


class Site:
    """Prometheuses, started here."""

    def __init__(self, place):
        self.place = place
        self.children = []

    def start(self, name, scrapes, *, store=None, flush=None):
        """Start one that takes remote write, as a run's own does; returns its client, address and process."""
        home = self.place / name
        home.mkdir()
        files = web.write_web_config(home, name, web.Credentials.generate())
        address = f"127.0.0.1:{free_port()}"
        config = write_config(home, scrapes, run_id="run-1", interval=0.5, version=Version(2, 42), store=store)
        command = server.live_command("prometheus", config, home / "data", address, files.config, flush=flush)
        with (home / "log").open("wb") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log)
        self.children.append(child)
        client = Client(f"http://{address}", "dashcam", files.password_file)
        self.wait(client.ready)
        return client, address, child, files

    def wait(self, ask, within=30):
        """Poll until `ask` gives something true."""
        deadline = time.monotonic() + within
        while not (found := ask()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return found

    def stop(self):
        """End all."""
        for child in self.children:
            child.kill()
            child.wait()


@pytest.fixture
def site(tmp_path):
    """A place for Prometheuses, ended after the test."""
    place = Site(tmp_path)
    yield place
    place.stop()


def own(address, files):
    """Return a scrape of a Prometheus by itself or another."""
    return Scrape("prometheus", "sidecar", "n1", address, Basic("dashcam", files.password_file))


@pytest.mark.real
def test_a_second_prometheus_gets_the_series(site):
    """A store behind a password gets what the run scrapes and what its rules make, with its labels, and no more."""
    store, address, _, files = site.start("store", [])
    given = RemoteWrite.model_validate(
        {"url": f"http://{address}/api/v1/write", "user": "dashcam", "password_file": str(files.password_file),
         "labels": {"cluster": "lab"}, "keep": "up|process_start_time_seconds|scrape_samples_scraped"}
    )  # fmt: skip
    sent = remote.Remote(given, files.password_file)
    run, _, child, _ = site.start("run", [own(address, files)], store=sent, flush=remote.FLUSH)
    site.wait(lambda: run.query("count_over_time(up[1m]) > 4"))
    got = site.wait(lambda: store.query("up"))[0].labels
    assert {k: got[k] for k in ("run_id", "cluster", "node", "job")} == {
        "run_id": "run-1", "cluster": "lab", "node": "n1", "job": "prometheus",
    }  # fmt: skip
    assert "cluster" not in run.query("up")[0].labels  # the recording's series have the run's labels only
    before = run.query("count_over_time(up[5m])")[0].values[0]
    child.send_signal(signal.SIGTERM)
    child.wait(20)
    site.wait(lambda: store.query("count_over_time(up[5m])")[0].values[0] >= before)
    names = set(store.label_values("__name__", time.time() - 300, time.time() + 1))
    assert names == {"up", "process_start_time_seconds", "scrape_samples_scraped"}


@pytest.mark.real
@pytest.mark.parametrize("status", ["dead", "refusing"])
def test_the_run_outlives_its_store(site, status):
    """A store that is gone or refuses us costs no sample, no snapshot, and a few seconds at the end."""
    other, address, _, files = site.start("other", [])
    wrong = site.place / "wrong"
    wrong.write_text("not-the-password")
    port = free_port() if status == "dead" else int(address.rpartition(":")[2])
    given = RemoteWrite.model_validate(
        {"url": f"http://127.0.0.1:{port}/api/v1/write", "user": "dashcam", "password_file": str(wrong)}
    )
    sent = remote.Remote(given, wrong)
    run, _, child, _ = site.start("run", [own(address, files)], store=sent, flush=remote.FLUSH)
    site.wait(lambda: run.query("count_over_time(up[1m]) > 6"))
    directory = RunDirectory.create(site.place / "recordings", "run-1")
    blocks = snapshot.take(run, site.place / "run" / "data", directory)
    assert sum(block.samples for block in blocks) > 1000
    begin = time.monotonic()
    child.send_signal(signal.SIGTERM)
    child.wait(20)
    assert time.monotonic() - begin < remote.FLUSH + 3
    assert other.query("up") == []


def test_external_labels_are_the_recordings_too():
    """What is sent carries the run's id, k6's pushed series included, which have no target."""
    text = render({}, interval=1.0, version=Version(3, 5), run_id="run-1", store=remote.Remote(asked(), None))
    config = yaml.safe_load(text)
    assert config["global"]["external_labels"] == {"run_id": "run-1"}
    assert "authorization" not in json.dumps(config["remote_write"])
