"""Grafana beside recordings that are opened again, on a stand-in for Grafana and a real Prometheus."""

import json
import os
import signal
from pathlib import Path

import pytest
import requests

from grafana import server
from grafana.datasource import UID
from jobs import reopened
from tests.dashcam.test_side_by_side import pair, replayed  # noqa: F401 - a fixture
from tests.grafana import standin

VARIABLES = {"list": [{"name": "run", "type": "query", "multi": False}, {"name": "node", "multi": True}]}


def dashboard(uid, **more):
    """A dashboard as a run archives it."""
    return {
        "uid": uid, "title": uid, "schemaVersion": 41, "panels": [], "refresh": "5s",
        "time": {"from": "2026-11-25T06:00:00Z", "to": "2026-11-25T06:01:00Z"}, "templating": VARIABLES, **more,
    }  # fmt: skip


def archived(folder, *dashboards):
    """Write dashboards into a folder."""
    folder.mkdir()
    for one in dashboards:
        (folder / f"{one['uid']}.json").write_text(json.dumps(one))
    return folder


def test_one_run_keeps_its_dashboards(tmp_path):
    """As archived, with its own time range."""
    folder = archived(tmp_path / "a", dashboard("overview"))
    (folder / "broken.json").write_text("{")
    assert reopened.gather([folder], (0.0, 1.0)) == {"overview.json": dashboard("overview")}


def test_several_runs_share_dashboards(tmp_path):
    """The union of what they archived, each once, over the time of all, the variable `run` taking all of them."""
    folders = [
        archived(tmp_path / "a", dashboard("overview"), dashboard("llm")),
        archived(tmp_path / "b", dashboard("overview", title="later"), dashboard("sql")),
    ]
    found = reopened.gather(folders, (1_795_592_421.0, 1_795_593_089.5))
    assert sorted(found) == ["llm.json", "overview.json", "sql.json"]
    one = found["overview.json"]
    assert (one["title"], one["refresh"]) == ("overview", "")
    assert one["time"] == {"from": "2026-11-25T07:40:21Z", "to": "2026-11-25T07:51:29.500000Z"}
    run, node = one["templating"]["list"]
    assert (run["multi"], run["includeAll"], run["current"]["value"]) == (True, True, ["$__all"])
    assert node == {"name": "node", "multi": True}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A stand-in is installed, and writes down what it was given."""
    monkeypatch.setenv("GRAFANA_HOME", str(standin.install(tmp_path)))
    monkeypatch.setenv("GRAFANA_STANDIN_RECORD", str(tmp_path / "record.json"))
    return tmp_path / "record.json"


@pytest.mark.real
@pytest.mark.timing
def test_replay_with_a_grafana(pair, home):  # noqa: F811
    """Its data source reaches the replayed recordings; strangers get 401, and nothing is left when it ends."""
    ids = [run.name for run in pair.runs()]
    with replayed(pair, *ids) as facts:
        told = facts["grafana"]
        auth = (told["user"], Path(told["password_file"]).read_text())
        health = requests.get(f"{told['url']}/api/datasources/uid/{UID}/health", auth=auth, timeout=5)
        assert health.json()["status"] == "OK"
        assert requests.get(f"{told['url']}/api/search", timeout=5).status_code == 401
        record = json.loads(home.read_text())
        assert auth[1] not in json.dumps(record)
        assert Path(record["root"]).is_dir()
    assert not Path(record["root"]).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(record["pid"], 0)


@pytest.mark.real
@pytest.mark.timing
def test_a_grafana_that_dies_costs_no_replay(pair, home, monkeypatch):  # noqa: F811, ARG001
    """It is a bonus: Prometheus answers, and why there is no Grafana is said."""
    monkeypatch.setenv("GRAFANA_STANDIN", "die")
    child = pair.start("replay", "last")
    lines = [child.stdout.readline() for _ in range(3)]
    assert "without Grafana: Grafana ended with 1" in lines[2]
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0


@pytest.mark.real
@pytest.mark.timing
def test_without_a_grafana_it_says_so(pair, monkeypatch):  # noqa: F811
    """One line."""
    if server.find() is not None:
        pytest.skip("a Grafana is installed here")
    monkeypatch.delenv("GRAFANA_HOME", raising=False)
    child = pair.start("replay", "last")
    assert "without Grafana: none on PATH" in [child.stdout.readline() for _ in range(3)][2]
    child.send_signal(signal.SIGHUP)
    assert child.wait(20) == 0
