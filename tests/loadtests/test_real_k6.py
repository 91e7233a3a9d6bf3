"""k6 itself: against llama.cpp, a server of known delays, and Prometheus, alive and dead."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from loadtests import importers, progress, records
from prometheus import server as prometheus_server
from prometheus.certificates import Authority
from prometheus.client import Client
from prometheus.web import Credentials, base_url, write_web_config
from tests.loadtests import programs
from tests.loadtests.tools import Python, a_plan, free_port, wait_for

pytestmark = [pytest.mark.real, pytest.mark.timing]

EVEN = {"name": "steady", "for": 1, "rate": 20, "arrival": "constant"}


@pytest.fixture(scope="module")
def llama():
    """Keep one llama.cpp for the tests of this file."""
    with programs.llamacpp() as target:
        yield target


@contextlib.contextmanager
def prometheus(place, *more, tls=False):
    """Run a Prometheus of a run, with a password, or TLS too; gives what a plan says of it, and a client."""
    place.mkdir()
    (place / "c.yml").write_text("global: {}\n")
    shown = Authority(place, "run").issue("node-0", ["127.0.0.1"]) if tls else None
    web = write_web_config(place, "p", Credentials.generate(), shown)
    address = f"127.0.0.1:{free_port()}"
    argv = prometheus_server.live_command("prometheus", place / "c.yml", place / "data", address, web.config)
    ca_file, url = shown and shown.ca_file, base_url(address, shown)
    client = Client(url, web.credentials.user, web.password_file, ca_file=ca_file)
    with programs.running([*argv, *more], place / "log", client.ready):
        user, password = web.credentials.user, str(web.password_file)
        yield {"url": url, "user": user, "password_file": password, "ca_file": ca_file and str(ca_file)}, client


def load(directory, *phases, target=None, url="", options=None, **more):
    """Run a k6 load to its end; returns its result and its requests."""
    target = json.loads(target.model_dump_json()) if target else {"protocol": "http", "url": url}
    settings = {"generator": "k6", "timeout": 5, "drain": 1, **more.pop("load", {})}
    settings["options"] = {"vus": 20, "dashboard": False, **(options or {})}
    path = a_plan(directory, "", *phases, target=target, load=settings, **more)
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", str(path)], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    result = json.loads((directory / "load" / progress.RESULT).read_text())
    records.finish(directory / "load")
    return result, pd.read_parquet(directory / "load" / records.PARQUET), done


def listens(pid):
    """Return the sockets on which a process listens (proc(5): state 0A)."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    mine = {link[8:-1] for link in links if link.startswith("socket:")}
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return [line[1] for line in lines if line[3] == "0A" and line[9] in mine]


def seconds(frame, later, earlier):
    """Return the differences of two columns in seconds."""
    return (frame[later] - frame[earlier]).dt.total_seconds().to_numpy()


def test_k6_on_llamacpp(llama, tmp_path):
    """Completions in one piece: every answer whole, tokens as the server counts, moments in order, k6's files kept."""
    warm = {"name": "warmup", "for": 1, "rate": 5, "arrival": "constant"}
    result, frame, done = load(
        tmp_path,
        warm,
        {**EVEN, "for": 2, "rate": 7.5},
        target=llama,
        options={"openai": {"max_tokens": 8}, "dashboard": True},
    )
    assert done.returncode == 0, done.stderr
    assert (result["state"], result["errors"], result["dropped"], result["warnings"]) == ("done", {}, 0, [])
    assert frame.ok.all()
    assert frame.request.tolist() == list(range(len(frame)))
    steady = frame[frame.phase == "steady"]
    assert len(steady) == pytest.approx(15, abs=3)
    assert set(steady.tokens_out) == {8}
    assert (steady.tokens_in > 20).all()
    assert (seconds(steady, "first_byte", "sent") >= 0).all()
    assert (seconds(steady, "done", "first_byte") >= 0).all()
    assert steady.intended.equals(steady.sent)
    span = result["phases"][1]
    assert (pd.Timestamp(span["ended"]) - pd.Timestamp(span["started"])).total_seconds() == pytest.approx(2.0)
    assert (steady.sent >= pd.Timestamp(span["started"])).all()
    assert span["cpu_cores"] == len(os.sched_getaffinity(0))
    assert "coordinated omission" in result["notes"]["latency"]
    kept = {path.name for path in (tmp_path / "load" / "k6").iterdir()}
    assert {"openai.js", "steady.summary.json", "steady.points.csv.gz", "steady.plan.json"} <= kept
    again = list(importers.read("k6", tmp_path / "load" / "k6" / "steady.points.csv.gz").rows)
    assert [row.done for row in again] == steady.done.astype("int64").tolist()
    assert programs.SECRET not in "".join(path.read_text(errors="ignore") for path in (tmp_path / "load").rglob("*.*"))
    summary = json.loads((tmp_path / "load" / "k6" / "steady.summary.json").read_text())
    assert summary["metrics"]["http_reqs"]["values"]["count"] == len(steady)
    # Milliseconds of k6, seconds of ours: the same mean.
    mean = summary["metrics"]["http_req_waiting"]["values"]["avg"] / 1e3
    assert np.mean(seconds(steady, "first_byte", "sent")) == pytest.approx(mean, abs=0.003)


def test_our_schedule_and_users(llama, tmp_path):
    """Poisson phases leave at our times, which k6 does not know; users of a closed loop are told apart."""
    from loadtests import schedule  # noqa: PLC0415 - as the load computes it
    from runs.phase import Phase  # noqa: PLC0415 - the same

    poisson, closed = {"name": "p", "for": 2, "rate": 15}, {"name": "c", "for": 1.5, "users": 3, "think": 0.02}
    result, frame, done = load(
        tmp_path, {**poisson, "measured": True}, closed, target=llama,
        options={"openai": {"max_tokens": 4}}, load={"seed": 5},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mine = frame[frame.phase == "p"].sort_values("request")
    due = schedule.offsets(Phase.model_validate(poisson), 0, 5)
    begin = pd.Timestamp(result["phases"][0]["started"])
    assert len(mine) == len(due)
    np.testing.assert_allclose((mine.intended - begin).dt.total_seconds(), due, atol=2e-6)
    lag = seconds(mine, "sent", "intended")
    assert 0 <= lag.min() <= np.median(lag) < 0.02
    assert result["phases"][0]["lag_p99"] > 0
    users = frame[frame.phase == "c"]
    assert set(users.user) == {0, 1, 2}
    for _, one in users.groupby("user"):
        free = one.done.shift() + pd.Timedelta(seconds=0.02)
        assert (one.intended[1:] <= one.sent[1:]).all()
        assert ((one.intended[1:] - free[1:]).dt.total_seconds().abs() < 1e-5).all()


def test_overload_drops_and_says_so(server, tmp_path):
    """A server that is too slow for the users: k6 leaves iterations out, and each is counted."""
    result, frame, done = load(tmp_path, EVEN, url=f"{server}silent", options={
        "vus": 2, "script": "url"}, load={"timeout": 0.5})  # fmt: skip
    assert done.returncode == 0, done.stderr
    span = result["phases"][0]
    assert result["dropped"] == span["dropped"] > 10
    assert span["intended"] == span["sent"] + span["dropped"] == pytest.approx(20, abs=2)
    assert set(frame.error) == {"timeout"}


def test_failures_have_their_kinds(tmp_path):
    """A refused connection is a failure by name, and the run goes on to its end."""
    _, frame, done = load(
        tmp_path, {**EVEN, "for": 1}, url=f"http://127.0.0.1:{free_port()}", options={"script": "url"}
    )
    assert done.returncode == 0, done.stderr
    assert not frame.ok.any()
    assert set(frame.error) == {"refused"}


def test_series_arrive(llama, tmp_path):
    """k6's series are in Prometheus with run and phase, in seconds, without any percentile."""
    with prometheus(tmp_path / "p") as (series, client):
        result, frame, done = load(tmp_path, EVEN, target=llama, prometheus=series)
        assert done.returncode == 0, done.stderr
        names = set(client.label_values("__name__", time.time() - 60, time.time() + 1))
        found = client.query(
            'max_over_time(k6_http_reqs_total{phase="steady",run_id="20260101-000000-test-abcd"}[60s])'
        )
    assert result["warnings"] == []
    assert result["notes"]["pushed_steady"] == {"requests": len(frame), "arrived": len(frame)}
    assert found[0].values[0] == len(frame)
    assert {"k6_http_req_duration_sum", "k6_http_req_duration_count"} <= names
    assert not [name for name in names if name.startswith("k6_") and name.endswith(("_p99", "_p95", "_p90", "_avg"))]
    assert not any("url" in one.labels for one in found)


def test_series_arrive_by_tls(llama, tmp_path):
    """k6 pushes to a Prometheus that speaks TLS by the run's CA, which it is given as Go's own variable has it."""
    with prometheus(tmp_path / "p", tls=True) as (series, _):
        result, frame, done = load(tmp_path, EVEN, target=llama, prometheus=series)
    assert done.returncode == 0, done.stderr
    assert result["warnings"] == []
    assert result["notes"]["pushed_steady"] == {"requests": len(frame), "arrived": len(frame)}
    assert "SSL_CERT_FILE" in result["notes"]["pushed_series"]


def test_native_histograms(llama, tmp_path):
    """Where the server takes native histograms, quantiles over any time can be made."""
    with prometheus(tmp_path / "p", "--enable-feature=native-histograms") as (series, client):
        result, frame, done = load(tmp_path, EVEN, target=llama, prometheus=series)
        assert done.returncode == 0, done.stderr
        # Series end with a mark: ask for the moment of the last answer.
        at = frame.done.max().timestamp()
        found = client.query("histogram_quantile(0.5, k6_http_req_duration_seconds)", at)
    assert result["notes"]["pushed_series"] == "native histograms"
    took = np.median(seconds(frame, "done", "sent"))
    assert found[0].values[0] == pytest.approx(took, rel=0.5)


def test_dead_remote_write_is_said(llama, tmp_path):
    """k6 ends with 0 where nobody takes its series; the load says that they are missing, and has its requests."""
    secret = tmp_path / "password"
    secret.write_text("x")
    series = {"url": f"http://127.0.0.1:{free_port()}", "user": "u", "password_file": str(secret)}
    result, frame, done = load(tmp_path, EVEN, target=llama, prometheus=series)
    assert done.returncode == 0, done.stderr
    assert frame.ok.all()
    assert ["the run's Prometheus does not answer" in text for text in result["warnings"]] == [True]


def test_refused_remote_write_is_said(llama, tmp_path):
    """A Prometheus that does not take what is pushed has none of it, and that is found by asking."""
    with prometheus(tmp_path / "p") as (series, _):
        # A path that our client shortens and k6 does not: queries are answered, what is pushed meets no receiver.
        result, frame, _ = load(tmp_path, EVEN, target=llama, prometheus={**series, "url": series["url"] + "/x/.."})
    assert len(frame) > 15
    assert [text for text in result["warnings"] if "did not arrive" in text or "does not answer" in text]


def test_sigterm_gives_a_partial_result(llama, tmp_path):
    """Asked to end, k6 writes its summary (exit code 105); what was answered is recorded; nothing listens or stays."""
    target = json.loads(llama.model_dump_json())
    path = a_plan(tmp_path, "", {**EVEN, "for": 60}, target=target, load={
        "generator": "k6", "drain": 1, "options": {"openai": {"max_tokens": 4}, "vus": 5}}, linger=True)  # fmt: skip
    output = tmp_path / "load"
    with Python("loadtests", str(path)) as process:
        wait_for(output, lambda state: state.done > 15, process)
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert Path(f"/proc/{child}/comm").read_text() == "k6\n"
        assert listens(child) == []
        assert programs.SECRET not in Path(f"/proc/{child}/cmdline").read_text()
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - begin < 6
        assert not Path(f"/proc/{child}").exists()
    result = json.loads((output / progress.RESULT).read_text())
    assert (result["state"], result["phases"][0]["stopped"]) == ("interrupted", "interrupted")
    assert result["warnings"] == []
    count = records.finish(output)
    assert count == result["phases"][0]["sent"] > 15
    assert (output / "k6" / "steady.summary.json").is_file()
    span = result["phases"][0]
    assert (pd.Timestamp(span["ended"]) - pd.Timestamp(span["started"])).total_seconds() < 30


def test_a_broken_script_is_said(tmp_path):
    """A script of the user's that cannot run ends the load, with k6's exit code in words and its own last lines."""
    script = tmp_path / "mine.js"
    script.write_text(
        "import http from 'k6/http';\nexport default function () { nothing(); }\nthrow new Error('no');\n"
    )
    result, _, done = load(tmp_path, {**EVEN, "for": 1}, url="http://127.0.0.1:1", options={"script": str(script)})
    assert done.returncode == 1
    assert "exit code 107 (the script raised an exception)" in result["message"]
    assert "Traceback" not in done.stderr


def test_a_script_of_somebody_else(server, tmp_path):
    """A script that knows nothing of us runs our phase; its requests come in, a crossed threshold is a warning."""
    script = tmp_path / "mine.js"
    script.write_text(f"""import http from 'k6/http';
export const options = {{ thresholds: {{ http_req_duration: ['p(95)<0.001'] }} }};
export default function () {{ http.get('{server}steady/x'); }}
""")
    result, frame, done = load(tmp_path, {**EVEN, "for": 1}, url=server, options={"script": str(script)})
    assert done.returncode == 0, done.stderr
    assert len(frame) == pytest.approx(20, abs=2)
    assert ["k6 ended with 99: a threshold of the script was crossed" in text for text in result["warnings"]] == [True]
