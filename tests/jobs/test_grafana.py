"""Grafana beside a run: where there is one it shows the run's Prometheus to who has the password, and goes with it."""

import base64
import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
import requests

from grafana import server
from grafana.datasource import UID
from grafana.provisioning import Source
from jobs import identity
from jobs.grafana import Beside, GrafanaProbe
from jobs.services.base import PlanError
from prometheus import replay
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Node
from runs.recipe import Grafana
from tests.grafana import standin
from tests.jobs.driver import Driver

NODE = Node(index=0, name="mel0001", address="127.0.0.1")
DASHBOARD = {"uid": "run-overview", "title": "Run", "schemaVersion": 41, "panels": []}


def beside(folder, asked, taken=23456):
    """Plan a Grafana in a run of its own; returns what was planned and the notes."""
    run = RunDirectory.create(folder / "recordings", "20260101-000000-x-abcd")
    password = run.secret("prometheus.password", "of-prometheus")
    source = Source("http://127.0.0.1:1", "dashcam", password, 1.0, "2.42.0")
    notes, versions = [], {}
    maker = Beside(run, asked, lambda _node, port: port or taken, folder / "scratch", versions, notes)
    return run, maker.plan(NODE, source), notes, versions


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A stand-in is installed."""
    found = standin.install(tmp_path)
    monkeypatch.setenv("GRAFANA_HOME", str(found))
    return found


@pytest.fixture
def without(tmp_path, monkeypatch):
    """No Grafana is installed."""
    monkeypatch.delenv("GRAFANA_HOME", raising=False)
    monkeypatch.setattr(server, "_HOMES", ())
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("without")
def test_without_a_grafana(tmp_path):
    """auto says so in one line; off says nothing; required is an error with the mend."""
    _, planned, notes, _ = beside(tmp_path / "auto", Grafana())
    assert (planned, notes) == (None, ["watched without Grafana: no Grafana on PATH"])
    _, planned, notes, _ = beside(tmp_path / "off", Grafana(mode="off"))
    assert (planned, notes) == (None, [])
    with pytest.raises(PlanError, match=r"required: no Grafana on PATH; put `grafana` on PATH or set GRAFANA_HOME"):
        beside(tmp_path / "required", Grafana(mode="required"))


def test_what_is_planned(tmp_path, home, monkeypatch):
    """A bonus on the head, its secrets in 0600 files, strays of the shell left out, nothing secret in argv or env."""
    monkeypatch.setenv("GF_AUTH_PROXY_ENABLED", "true")
    run, planned, notes, versions = beside(tmp_path, Grafana())
    program = planned.program
    assert (program.bonus, program.essential, program.role, program.node) == (True, False, "grafana", 0)
    assert program.without == ("GF_AUTH_PROXY_ENABLED",)
    assert program.argv[0] == str(home / "bin" / "grafana")
    assert (notes, versions) == ([], {"grafana": "12.4.1"})
    scratch = tmp_path / "scratch" / "grafana"
    secrets = {path.name: path.read_text() for path in scratch.glob("*.secret")}
    assert secrets.keys() == {"admin.secret", "key.secret", "prometheus.secret"}
    assert secrets["prometheus.secret"] == "of-prometheus"
    assert secrets["admin.secret"] == (run.live / "grafana.password").read_text()
    assert len(set(secrets.values())) == 3
    for path in [*scratch.glob("*.secret"), run.live / "grafana.password"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    words = json.dumps([program.argv, dict(program.env), planned.endpoints])
    archived = "".join(path.read_text() for path in (run.configs / "grafana").iterdir())
    assert all(value not in words + archived for value in secrets.values())
    assert {path.name for path in (run.configs / "grafana").iterdir()} == {
        "grafana.ini", "datasources.yaml", "dashboards.yaml"
    }  # fmt: skip


@pytest.mark.usefixtures("home")
def test_where_it_listens(tmp_path):
    """The recipe chooses the address, the port, and that the run fails without."""
    node = Node(index=0, name="mel0001", address="10.3.24.92")
    run = RunDirectory.create(tmp_path / "r", "20260101-000000-x-abcd")
    source = Source("http://x", "dashcam", run.secret("p", "x"), 1.0, "2.42.0")
    for number, (listen, address) in enumerate([("node", "10.3.24.92"), ("loopback", "127.0.0.1")]):
        asked = Grafana(mode="required", listen=listen, port=3003)
        planned = Beside(run, asked, lambda _, port: port, tmp_path / str(number), {}, []).plan(node, source)
        assert planned.endpoints["grafana"] == f"http://{address}:3003"
        assert (planned.program.env["GF_SERVER_HTTP_ADDR"], planned.program.bonus) == (address, False)


def test_an_older_grafana_is_noted(tmp_path, home):
    """A release older than the dashboards are made for is used, and noted."""
    (home / "bin" / "grafana").write_text("#!/bin/sh\necho grafana version 10.4.2\n")
    _, planned, notes, _ = beside(tmp_path, Grafana())
    assert planned is not None
    assert notes == ["Grafana 10.4.2 is older than 11.6.0, which the dashboards are made for"]


@pytest.mark.real
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("", None),
        ("plugin", "does not work: Plugin not found (Grafana 13 brings the Prometheus data source as a plug-in"),
        ("anonymous", " answers 200 without a password"),
        ("wrong", "does not work: 401 of Prometheus"),
        ("another", "refuses our password: another program holds the port"),
    ],
)
def test_ready_means_that_it_shows_something(tmp_path, monkeypatch, mode, reason):
    """Ready is a data source that works, and strangers refused; else the probe says what is amiss."""
    monkeypatch.setenv("GRAFANA_STANDIN", mode)
    monkeypatch.setenv("GF_AUTH_ANONYMOUS_ENABLED", "true")
    run = RunDirectory.create(tmp_path / "r", "20260101-000000-x-abcd")
    with replay.open_blocks(run.tsdb, tmp_path / "p") as opened:
        password = tmp_path / "wrong" if mode == "wrong" else opened.password_file
        (tmp_path / "wrong").write_text("wrong")
        source = Source(opened.url, opened.user, password, 1.0, "2.42.0")
        port = replay._free_port()
        planned = Beside(run, Grafana(), lambda *_: port, tmp_path / "s", {}, []).plan(NODE, source)
        probe = planned.program.probe
        assert "does not answer yet" in probe.check()
        if mode == "another":
            (run.live / "grafana.password").write_text("not what it was started with")
        environment = {n: v for n, v in os.environ.items() if n not in planned.program.without}
        child = subprocess.Popen(planned.program.argv, env={**environment, **planned.program.env})
        try:
            deadline = time.monotonic() + 20
            while "not answer yet" in (found := probe.check() or "") and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            child.terminate()
            child.wait()
    assert (reason in found) if reason else found == ""


RECIPE = """\
name: shown
watch: {{interval: 500ms, exporters: [node], grafana: {mode}}}
services:
  llm: {{kind: llamacpp, model: tiny, parallel: 2, threads: 1}}
load:
  generator: openai
  prompt_tokens: 8
  max_tokens: 4
  drain: 2s
  phases: [{{name: steady, for: 6s, rate: 10, arrival: constant}}]
"""


@pytest.mark.real
@pytest.mark.timing
@pytest.mark.usefixtures("home")
def test_a_run_is_shown(tmp_path, monkeypatch):
    """A whole run: its real Prometheus answers through Grafana; strangers are refused; nothing of it is left."""
    monkeypatch.setenv("GRAFANA_STANDIN_RECORD", str(tmp_path / "record.json"))
    monkeypatch.setenv("GF_AUTH_ANONYMOUS_ENABLED", "true")
    monkeypatch.setenv("GF_SERVER_ROOT_URL", "http://elsewhere/")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    driver = Driver(tmp_path / "recordings")
    driver.recipe.write_text(RECIPE.format(mode="required"))
    child = driver.start("run", str(driver.recipe))
    driver.wait("the run", lambda: driver.manifest()["endpoints"].get("grafana"))
    run = RunDirectory(driver.runs()[-1])
    driver.wait_phase("steady")
    ends = driver.manifest()["endpoints"]
    password = Path(ends["grafana_password_file"]).read_text()
    own = {path.name: path.read_text() for path in Path(driver.manifest()["scratch"]).glob("grafana/*.secret")}
    url, auth = ends["grafana"], (ends["grafana_user"], password)
    with requests.Session() as session:
        session.trust_env = False
        session.auth = auth
        health = session.get(f"{url}/api/datasources/uid/{UID}/health").json()
        source = session.get(f"{url}/api/datasources/uid/{UID}").json()
        found = session.get(f"{url}/api/search").json()
        asked = session.get(f"{url}/api/datasources/proxy/uid/{UID}/api/v1/query?query=count(up == 1)").json()
    with requests.Session() as stranger:
        stranger.trust_env = False
        refused = {
            path: stranger.get(url + path).status_code for path in ("/api/search", "/api/admin/settings", "/metrics")
        }
        logged = stranger.post(f"{url}/login", json={"user": auth[0], "password": "admin"}).status_code
        welcome = stranger.post(f"{url}/login", json={"user": auth[0], "password": password})
        cookie = welcome.headers["Set-Cookie"]
        told = stranger.get(f"{url}/api/health").json()
    out, err = child.communicate(timeout=90)
    assert child.returncode in {0, 3}, out + err

    assert health == {"status": "OK", "message": "Successfully queried the Prometheus API."}
    assert (source["readOnly"], source["jsonData"]["timeInterval"]) == (True, "500ms")
    assert {"dashcam-overview", "dashcam-llm", "dashcam-load"} <= {board["uid"] for board in found}
    assert int(asked["data"]["result"][0]["value"][1]) == 3
    assert refused == {"/api/search": 401, "/api/admin/settings": 401, "/metrics": 404}
    assert (logged, welcome.status_code) == (401, 200)
    assert cookie.startswith("dashcam_" + run.id.replace("-", "_"))
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "version" not in told

    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["argv"][1], record["env"]["GF_PATHS_DATA"]) == ("server", f"{record['root']}/data")
    assert record["env"]["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert "GF_SERVER_ROOT_URL" not in record["env"]
    assert record["env"]["NO_PROXY"] == "*"
    assert record["env"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == str(run.dashboards / "overview.json")
    assert {mode for name, mode in record["modes"].items() if name.endswith(".secret")} == {0o600}
    assert not Path(record["root"]).exists()

    manifest = driver.manifest()
    [process] = [process for process in manifest["processes"] if process["name"] == "grafana"]
    assert (process["stopped_by_us"], process["exit_code"], process["pid"]) == (True, 0, record["pid"])
    assert not identity.alive(process["pid"], process["start_ticks"])
    assert (driver.left(), list(driver.scratch()), manifest["endpoints"]) == ([], [], {})
    assert manifest["versions"]["grafana"] == "12.4.1"
    assert seal.verify(run).intact
    assert not run.live.exists()
    sealed = b"".join(path.read_bytes() for path in run.path.rglob("*") if path.is_file())
    assert len(own) == 3
    for value in own.values():
        assert value.encode() not in sealed
        assert base64.b64encode(value.encode()) not in sealed


@pytest.mark.real
@pytest.mark.timing
@pytest.mark.usefixtures("home")
def test_a_grafana_that_dies(tmp_path, monkeypatch):
    """One that does not start is noted with its own words, and costs no run; one that is killed later neither."""
    monkeypatch.setenv("GRAFANA_STANDIN", "die")
    driver = Driver(tmp_path / "recordings")
    driver.recipe.write_text(RECIPE.format(mode="auto"))
    done = driver.call("run", str(driver.recipe))
    assert done.returncode in {0, 3}, done.stdout + done.stderr
    [note] = [note for note in driver.manifest()["notes"] if "grafana" in note]
    assert "database is locked" in note
    assert note.endswith("the run goes on without it")

    monkeypatch.setenv("GRAFANA_STANDIN", "")
    child = driver.start("run", str(driver.recipe))
    driver.wait("another run", lambda: len(driver.runs()) == 2)
    driver.wait_phase("steady")
    [process] = [process for process in driver.manifest()["processes"] if process["name"] == "grafana"]
    os.kill(process["pid"], signal.SIGKILL)
    out, err = child.communicate(timeout=90)
    assert child.returncode in {0, 3}, out + err
    assert driver.manifest()["ending"] == "completed"
    assert any(note.startswith("grafana (grafana) died") for note in driver.manifest()["notes"])
    assert driver.left() == []


@pytest.mark.real
def test_required_fails_clearly(tmp_path, monkeypatch):
    """A run that requires a Grafana where there is none fails, and says how to have one."""
    monkeypatch.delenv("GRAFANA_HOME", raising=False)
    if server.find() is not None:
        pytest.skip("a Grafana is installed here")
    driver = Driver(tmp_path / "recordings")
    driver.recipe.write_text(RECIPE.format(mode="required"))
    done = driver.call("run", str(driver.recipe))
    assert done.returncode == 1
    assert "watch.grafana is required: no Grafana on PATH" in done.stdout
    assert driver.left() == []


@pytest.mark.real
@pytest.mark.skipif(not os.environ.get("GRAFANA_HOME"), reason="needs a Grafana: set GRAFANA_HOME to its folder")
def test_the_real_grafana(tmp_path):
    """The real program becomes ready by the same plan, and refuses strangers."""
    run = RunDirectory.create(tmp_path / "r", "20260101-000000-x-abcd")
    (run.dashboards / "overview.json").write_text(json.dumps(DASHBOARD))
    with replay.open_blocks(run.tsdb, tmp_path / "p") as opened:
        source = Source(opened.url, opened.user, opened.password_file, 1.0, "2.42.0")
        port = replay._free_port()
        planned = Beside(run, Grafana(mode="required"), lambda *_: port, tmp_path / "s", {}, []).plan(NODE, source)
        environment = {n: v for n, v in os.environ.items() if n not in planned.program.without}
        child = subprocess.Popen(planned.program.argv, env={**environment, **planned.program.env})
        try:
            deadline = time.monotonic() + 60
            while (why := planned.program.probe.check()) and time.monotonic() < deadline and child.poll() is None:
                time.sleep(0.1)
            assert why is None
            assert isinstance(planned.program.probe, GrafanaProbe)
            auth = (planned.endpoints["grafana_user"], Path(planned.endpoints["grafana_password_file"]).read_text())
            found = requests.get(f"{planned.endpoints['grafana']}/api/search?type=dash-db", auth=auth, timeout=5).json()
            assert [item["uid"] for item in found] == ["run-overview"]
        finally:
            child.terminate()
            assert child.wait(20) is not None
