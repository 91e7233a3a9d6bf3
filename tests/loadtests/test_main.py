"""The load as a process: plan in, records and progress out, and how it ends."""

import json
import resource
import signal
import time
from datetime import UTC, datetime

import pandas as pd
import pytest
import requests

from loadtests import progress, records
from loadtests.main import run
from tests.loadtests.tools import TOKEN, Python, a_plan, free_port, wait_for

pytestmark = pytest.mark.timing

STEADY = {"name": "steady", "for": 0.6, "rate": 50, "arrival": "constant"}


def scrape(plan):
    """Read the load's series; returns the text and the run that it says it is."""
    answer = requests.get(f"http://{plan['listen']}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5)
    return answer.text, answer.headers["X-Dashcam-Run"]


def start(plan):
    """Start the load process."""
    return Python("loadtests", str(plan))


def test_a_whole_load(server, tmp_path):
    """Set-up, ready, the word to go, phases, result, a last scrape, end: each can be seen from outside."""
    go, output = tmp_path / "go", tmp_path / "load"
    path = a_plan(
        tmp_path,
        f"{server}steady",
        {**STEADY, "name": "warmup"},
        STEADY,
        go_file=str(go),
        linger=True,
        load={"seed": 7},
    )
    plan = json.loads(path.read_text())
    with start(path) as process:
        wait_for(output, lambda state: state.state == "ready", process)
        text, run_id = scrape(plan)
        assert run_id == plan["run_id"]
        assert 'run_phase{phase="setup"} 1.0' in text
        go.touch()
        seen = wait_for(output, lambda state: state.phase == "steady", process)
        assert seen.phase_started < seen.phase_ends == seen.phases[-1].ended
        assert seen.started < datetime.now(UTC) < seen.ends_at + pd.Timedelta(seconds=10)
        done = wait_for(output, lambda state: state.state == "done", process)
        assert (done.intended, done.sent, done.done, done.ok, done.in_flight) == (60, 60, 60, 60, 0)
        text, _ = scrape(plan)
        assert 'run_phase{phase="done"} 1.0' in text
        assert 'load_requests_total{outcome="ok",phase="steady"} 30.0' in text
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    result = json.loads((output / progress.RESULT).read_text())
    assert (result["state"], result["interrupted"], result["generator"], result["seed"]) == ("done", False, "openai", 7)
    assert result["options"]["max_tokens"]["mean"] == 32
    span = result["phases"][1]
    assert 0 <= span["lag_p50"] <= span["lag_p99"] <= span["lag_max"]
    assert 0 < span["cpu_share"] == pytest.approx(span["cpu_seconds"] / 0.6, rel=0.01)
    assert records.finish(output) == 60
    frame = pd.read_parquet(output / records.PARQUET)
    assert frame.ok.all()
    assert frame.phase.value_counts().to_dict() == {"warmup": 30, "steady": 30}


def test_a_killed_load_leaves_its_records(server, tmp_path):
    """After kill -9 the records are there up to about a second before, and `finish` makes Parquet of them."""
    path, output = a_plan(tmp_path, f"{server}steady", {**STEADY, "for": 60, "rate": 100}), tmp_path / "load"
    with start(path) as process:
        wait_for(output, lambda state: state.done > 250, process)
        process.kill()
        killed = datetime.now(UTC)
        process.wait()
    count = records.finish(output)
    frame = pd.read_parquet(output / records.PARQUET)
    assert count == len(frame) > 200
    assert (killed - frame.done.max()).total_seconds() < 1.2
    assert frame.request.tolist() == list(range(count))
    assert progress.read(output).state == "running"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(server, tmp_path, number):
    """SIGTERM and SIGINT: nothing new is sent, open requests have `hurry` seconds, all is written, exit code 0."""
    path, output = a_plan(tmp_path, f"{server}silent", {**STEADY, "for": 60}, hurry=0.3, linger=True), tmp_path / "load"
    with start(path) as process:
        wait_for(output, lambda state: state.intended > 10, process)
        process.send_signal(number)
        begin = time.monotonic()
        assert process.wait(10) == 0
        assert time.monotonic() - begin < 2
    state = progress.read(output)
    assert state.state == "interrupted"
    result = json.loads((output / progress.RESULT).read_text())
    assert (result["state"], result["interrupted"]) == ("interrupted", True)
    assert state.errors == {"drained": state.intended}
    assert records.finish(output) == state.intended == state.failed


def test_a_signal_before_the_word_to_go(server, tmp_path):
    """Ended while it waits, a load leaves an empty but valid record and says that it was interrupted."""
    path, output = a_plan(tmp_path, f"{server}steady", STEADY, go_file=str(tmp_path / "go")), tmp_path / "load"
    with start(path) as process:
        wait_for(output, lambda state: state.state == "ready", process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert progress.read(output).state == "interrupted"
    assert json.loads((output / progress.RESULT).read_text())["phases"] == []
    assert records.finish(output) == 0
    assert (output / records.PARQUET).is_file()


def test_a_failed_set_up_says_why(tmp_path):
    """Where the target cannot be set up, one line on stderr, progress and result say why; exit code 1."""
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    path, output = a_plan(tmp_path, "", STEADY, target={"protocol": "postgres", "url": url}, load={
        "generator": "vector", "options": {"dataset": {"n": 10, "dim": 2}, "queries": 2},
    }), tmp_path / "load"  # fmt: skip
    with start(path) as process:
        _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    state = progress.read(output)
    assert state.state == "failed"
    assert url in state.message
    assert f"load: {state.message}" in told
    result = json.loads((output / progress.RESULT).read_text())
    assert (result["state"], result["message"]) == ("failed", state.message)


def test_a_taken_port_says_so(tmp_path):
    """Where /metrics cannot be served, the load fails before it sends anything."""
    path, output = a_plan(tmp_path, "http://127.0.0.1:1", STEADY, listen="203.0.113.1:9"), tmp_path / "load"
    assert run([str(path)]) == 1
    state = progress.read(output)
    assert state.state == "failed"
    assert "203.0.113.1" in state.message


def test_a_full_disk_says_so(server, tmp_path):
    """Where records can no longer be written the load ends, says why, and what was written is still readable."""
    path, output = a_plan(tmp_path, f"{server}plain", {**STEADY, "for": 60, "rate": 200}), tmp_path / "load"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (32_000, 32_000))

    with Python("loadtests", str(path), preexec_fn=limit) as process:
        _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    state = progress.read(output)
    assert state.state == "failed"
    assert "File too large" in state.message
    assert state.message in told
    assert records.finish(output) > 50


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"load": {"generator": "telepathy"}}, "no generator 'telepathy': there are"),
        ({"load": {"generator": "vector"}}, "postgres, qdrant, weaviate, not openai"),
        ({"load": {"options": {"max_token": 1}}}, "max_token: Extra inputs"),
        ({"load": {"phases": []}}, "phases"),
        ({"listen": "nowhere"}, "listen"),
        ({"token_file": "/no/such/file"}, "/no/such/file"),
        ({"output": "/no/such/directory"}, "/no/such/directory"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_plan_is_refused_in_one_line(tmp_path, capsys, change, words):
    """What cannot work is said in one line, before anything is started; exit code 2."""
    assert run([str(a_plan(tmp_path, "http://h", STEADY, **change))]) == 2
    told = capsys.readouterr().err
    assert told.startswith("load: no usable plan: ")
    assert words in told
    assert told.count("\n") == 1


def test_no_plan(tmp_path, capsys):
    """Without a file, or with one that is no JSON, the exit code is 2."""
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for argv in ([], [str(tmp_path / "none")], [str(broken)]):
        assert run(argv) == 2
        assert "no usable plan" in capsys.readouterr().err


def test_an_empty_token_is_no_token(tmp_path, capsys):
    """A token file without a token does not make /metrics public."""
    path = a_plan(tmp_path, "http://h", STEADY)
    (tmp_path / "token").write_text("\n")
    assert run([str(path)]) == 2
    assert "is empty" in capsys.readouterr().err
