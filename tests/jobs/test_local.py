"""A whole run on this machine, with real programs."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import pandas as pd
import pytest

from prometheus import replay, snapshot
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest
from tests.jobs.driver import Driver

pytestmark = [pytest.mark.real, pytest.mark.timing]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run that came to its end, for all tests that only look."""
    made = Driver(tmp_path_factory.mktemp("finished"))
    made.write(8)
    for _ in range(3):  # a machine that hiccups makes a run INVALID, and rightly
        done = made.call("run", str(made.recipe))
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    return made, done


def test_run_is_valid_and_sealed(finished):
    """A clean run exits 0, says VALID and where the report is, and leaves an intact recording."""
    driver, done = finished
    run = driver.sealed()
    assert done.stdout.startswith("VALID")
    assert str(run.report) in done.stdout
    assert "weights are random" in done.stdout
    assert driver.left() == []
    manifest = driver.manifest()
    assert manifest["ending"] == "completed"
    assert [phase["name"] for phase in manifest["phases"]] == ["warmup", "steady"]
    assert all(process["stopped_by_us"] for process in manifest["processes"])


def test_how_long_its_parts_took(finished):
    """From the asking to watched targets and the first request, and from the load's end to the seal: in all three."""
    run = finished[0].sealed()
    manifest = Manifest.load(run.manifest)
    took = manifest.timings
    assert 0 < took["submit_to_targets_up"] < took["submit_to_first_request"]
    first = pd.read_parquet(run.records)["sent"].min()
    assert took["submit_to_first_request"] == pytest.approx((first - manifest.created).total_seconds(), abs=0.01)
    assert took["load_end_to_report"] < took["load_end_to_sealed"]
    assert json.loads(run.summary.read_bytes())["timings_seconds"] == took
    page = run.report.read_text()
    for name in ("submit to targets up", "submit to first request", "load end to sealed"):
        assert page.count(f"<td>{name}</td>") == 1


def test_records_open_in_pandas(finished):
    """Every request is in the Parquet file, with its times."""
    frame = pd.read_parquet(finished[0].sealed().records)
    assert len(frame) == 85
    assert frame["ok"].all()
    steady = frame[frame["phase"] == "steady"]
    gaps = steady["intended"].sort_values().diff().dropna().dt.total_seconds()
    assert gaps.between(0.0999, 0.1001).all()
    told = frame[frame["first_token"].notna()]  # random weights may give tokens that are no text
    assert len(told) > 70
    assert ((told["done"] >= told["first_token"]) & (told["first_token"] >= told["first_byte"])).all()
    assert (frame["tokens_out"] >= 1).all()


def test_blocks_open_in_stock_tools(finished):
    """`promtool tsdb list` reads the recording's blocks as they are."""
    run = finished[0].sealed()
    listed = subprocess.run(["promtool", "tsdb", "list", str(run.tsdb)], capture_output=True, text=True, check=True)
    assert snapshot.blocks(run.tsdb)[0].ulid in listed.stdout
    assert seal.verify(run).intact


def test_recording_holds_every_source(finished, tmp_path):
    """Client, service, programs, control group and node are in one TSDB, under the run's labels."""
    run = finished[0].sealed()
    block = snapshot.blocks(run.tsdb)[0]
    with replay.open_blocks(run.tsdb, tmp_path) as opened:
        names = set(opened.client.label_values("__name__", block.start, block.end))
        assert names >= {
            *("load_requests_total", "run_phase", "llamacpp:tokens_predicted_total", "node_cpu_seconds_total"),
            *("process_tree_cpu_seconds_total", "cgroup_memory_usage_bytes", "exporter_collector_success", "up"),
        }
        assert opened.client.label_values("run_id", block.start, block.end) == [run.id]
        roles = set(opened.client.label_values("role", block.start, block.end))
        assert roles == {"service", "load", "sidecar"}
        services = set(opened.client.label_values("service", block.start, block.end))
        assert services >= {"llm", "load", "prometheus", "exporter-0", "node-exporter-0"}
    assert seal.verify(run).intact


def test_dashboards_show_the_whole_run(finished):
    """They are part of the recording, and each of their panels has data, or a reason why it has none."""
    driver, _done = finished
    run = RunDirectory(driver.runs()[-1])
    names = {path.stem for path in run.dashboards.iterdir()}
    assert names == {"overview", "load", "llm", "node", "recorder"}
    overview = json.loads((run.dashboards / "overview.json").read_text())
    assert overview["refresh"] == ""
    assert overview["time"]["from"].startswith("20")
    assert overview["templating"]["list"][0]["current"]["value"] == run.id
    done = driver.call("dashboards", "--run", run.id, "--json")
    panels = json.loads(done.stdout)
    assert done.returncode == 0, [panel for panel in panels if panel["empty"]]
    assert sum(not panel["empty"] for panel in panels if panel["dashboard"] == "recorder") >= 12


def test_client_and_server_agree(finished, tmp_path):
    """The tokens that the records hold are those that the server counted."""
    run = finished[0].sealed()
    block = snapshot.blocks(run.tsdb)[0]
    with replay.open_blocks(run.tsdb, tmp_path) as opened:
        counted = opened.client.query("max_over_time(llamacpp:tokens_predicted_total[10m])", block.end)[0].values[0]
    assert pd.read_parquet(run.records)["tokens_out"].sum() == counted


def test_no_secret_in_the_recording(finished):
    """No file of the recording holds a password, a token or a key."""
    run = finished[0].sealed()
    text = b"".join(path.read_bytes() for path in run.path.rglob("*") if path.is_file())
    assert b"$2b$" not in text
    assert b"Bearer " not in text.replace(b"type: Bearer", b"")


def test_commands_answer(finished):
    """list, status, verify and report answer for people and, with --json, for programs."""
    driver, _ = finished
    run = driver.sealed()
    assert f"{run.id}  ended      completed   VALID" in driver.call("list").stdout
    assert driver.json("status", "last")["verdict"] == "VALID"
    assert driver.json("verify", run.id)["intact"] is True
    before = run.summary.read_bytes()
    again = driver.call("report", "last")
    assert again.returncode == 0
    assert again.stdout.startswith("VALID")
    assert json.loads(run.summary.read_bytes())["measured"] == json.loads(before)["measured"]
    assert seal.verify(run).intact
    assert driver.call("stop", "last").stdout.endswith("already ended\n")


def test_replay_serves_the_recording(finished):
    """`replay` opens the recording in a Prometheus that wants a password, and ends on Ctrl-C without a trace."""
    from pathlib import Path  # noqa: PLC0415

    import requests  # noqa: PLC0415

    driver, _ = finished
    child = driver.start("replay", "last", "--json")
    text = ""
    while not text.endswith("\n}\n"):
        text += child.stdout.readline()
    facts = json.loads(text)
    password = Path(facts["password_file"]).read_text()
    query = {"query": "up", "time": facts["end"]}
    assert requests.get(f"{facts['api']}/api/v1/query", params=query, timeout=5).status_code == 401
    answer = requests.get(f"{facts['api']}/api/v1/query", params=query, auth=(facts["user"], password), timeout=5)
    assert len(answer.json()["data"]["result"]) == 4
    child.send_signal(signal.SIGINT)
    assert child.wait(20) == 0
    assert not Path(facts["password_file"]).exists()


def test_damage_is_found(finished, tmp_path):
    """A changed recording fails `verify` and `report`, with what was changed."""
    driver, _ = finished
    copy = tmp_path / "copy" / driver.sealed().id
    shutil.copytree(driver.sealed().path, copy)
    with (copy / "load" / "requests.parquet").open("ab") as stream:
        stream.write(b"x")
    done = driver.call("verify", str(copy))
    assert done.returncode == 1
    assert "changed: load/requests.parquet" in done.stdout
    done = driver.call("report", str(copy))
    assert done.returncode == 1
    assert "not as it was sealed" in done.stderr


def test_two_runs_at_once_do_not_meet(driver, tmp_path):
    """Two runs on one machine each see their own programs and requests only."""
    other = Driver(tmp_path / "other")
    children = [place.start("run", str(place.recipe), "--json") for place in (driver, other)]
    answers = [json.loads(child.communicate(timeout=90)[0]) for child in children]
    assert [child.returncode in {0, 3} for child in children] == [True, True]
    for answer in answers:
        assert answer["measured"]["requests"] == 50
        assert answer["measured"]["failed"] == 0
    ports = [{process["port"] for process in answer["run"]["processes"]} for answer in answers]
    assert not ports[0] & ports[1]
    assert other.left() == []


def test_taken_port(driver):
    """A port that another program holds is named before anything starts."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = driver.call("run", str(driver.recipe), "--set", f"services.llm.port={port}")
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken" in done.stdout
    driver.sealed()


def test_root_that_cannot_be_written(driver):
    """A place that cannot be written is named before anything starts."""
    (driver.root / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "dashcam", "run", str(driver.recipe), "--root", str(driver.root / "file")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "--root" in done.stderr
    assert "Traceback" not in done.stderr


def test_live_display_on_a_terminal(driver):
    """On a terminal the phase, rate, p99, failures and the time left are drawn in place."""
    import pty  # noqa: PLC0415

    driver.write(4)
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "dashcam", "run", str(driver.recipe), "--root", str(driver.root)],
        stdout=subprocess.DEVNULL, stderr=slave, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(slave)
    seen = b""
    with contextlib.suppress(OSError):  # a terminal whose last writer left answers with an error
        while part := os.read(master, 65536):
            seen += part
    child.wait(30)
    os.close(master)
    text = seen.decode(errors="replace")
    for word in ("steady", "p99", "failed", "s left", "\x1b["):
        assert word in text


def test_missing_program(driver, tmp_path):
    """A program that is not installed is named, with the package that brings it."""
    done = driver.call("run", str(driver.recipe), PATH=str(tmp_path))
    assert done.returncode == 1
    assert "no program prometheus-node-exporter or node_exporter on PATH" in done.stdout
    assert "apt-get install" in done.stdout


def test_service_that_never_answers(driver):
    """A service that is not ready in time fails the run with its last words."""
    recipe = driver.root / "never.yaml"
    recipe.write_text(
        "name: never\nservices:\n"
        f"  app:\n    kind: command\n    ready_within: 1s\n    command: [{sys.executable}, -c,"
        " 'import time; print(\"waiting\", flush=True); time.sleep(99)']\n"
        "load: {generator: openai, phases: [{name: steady, for: 1s, rate: 1}]}\n"
    )
    done = driver.call("run", str(recipe))
    assert done.returncode == 1
    assert "app was not ready within 1 s" in done.stdout
    assert "| waiting" in done.stdout
    driver.sealed()


def test_service_that_dies_at_once(driver):
    """A service that ends before it is ready fails the run at once, with its exit code and last words."""
    recipe = driver.root / "dies.yaml"
    recipe.write_text(
        "name: dies\nservices:\n"
        f"  app: {{kind: command, command: [{sys.executable}, -c, 'import sys; sys.exit(\"no licence\")']}}\n"
        "load: {generator: openai, phases: [{name: steady, for: 1s, rate: 1}]}\n"
    )
    done = driver.call("run", str(recipe))
    assert done.returncode == 1
    assert "app ended with exit code 1 before it was ready" in done.stdout
    assert "| no licence" in done.stdout


def test_recipe_with_errors(driver):
    """A recipe with five errors is refused with all of them and code 2, and leaves nothing."""
    recipe = driver.root / "bad.yaml"
    recipe.write_text(
        "name: Bad Name\nwatch: {interval: never, exporters: [nod]}\nservices: {llm: {kind: llamacp}}\n"
        "load: {generator: openai, max_token: 3, phases: [{name: steady, for: 1s, rate: 1}]}\n"
    )
    done = driver.call("run", str(recipe))
    assert done.returncode == 2
    assert done.stderr.startswith("dashcam: 5 errors in ")
    assert driver.runs() == []


def test_pgvector_run(driver):
    """PostgreSQL with pgvector runs end to end, with recall, and its exporter's series."""
    recipe = driver.root / "pg.yaml"
    recipe.write_text(
        "name: pg\nservices: {vectors: {kind: pgvector}}\nload:\n  generator: vector\n"
        "  dataset: {kind: clustered, n: 2000, dim: 16, seed: 1}\n  queries: 100\n  k: 5\n"
        "  phases: [{name: steady, for: 5s, users: 2, think: 10ms}]\nobjectives: {recall_at_5: 0.5}\n"
    )
    done = driver.call("run", str(recipe))
    assert done.returncode in {0, 3}, done.stdout + done.stderr
    summary = json.loads(RunDirectory(driver.runs()[-1]).summary.read_bytes())
    assert summary["measured"]["failed"] == 0
    assert summary["measured"]["recall_mean"] > 0.8
    assert summary["objectives"][0]["state"] == "met"
    assert not [f for f in summary["findings"] if f["rule"] == "little"]
    assert {item["job"] for item in summary["coverage"]} >= {"vectors-exporter", "load", "node", "exporter"}
