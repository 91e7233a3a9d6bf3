"""The view over real programs: a run at 80x24 under a pty, and its queries against the run's Prometheus."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from dashcam.view.measures import Observer
from dashcam.view.questions import questions
from prometheus.client import Client, PrometheusError
from runs import seal
from runs.directory import RunDirectory
from tests.jobs.driver import Driver

pytestmark = [pytest.mark.real, pytest.mark.timing]

ALTERNATE, BACK = b"\x1b[?1049h", b"\x1b[?1049l"


@pytest.fixture
def driver(tmp_path):
    """A place of recordings; nothing of its runs may be left when a test is over."""
    made = Driver(tmp_path / "recordings")
    yield made
    assert made.left() == []


@pytest.fixture
def terminal(driver):
    """A function that runs dashcam in a terminal."""
    pytest.importorskip("pyte", reason="pyte reads the screens: pip install pyte")
    from tests.dashcam.view.terminal import Terminal  # noqa: PLC0415 - needs pyte

    made = []

    def start(*arguments, columns=80, rows=24, **environment):
        made.append(Terminal([*arguments, "--root", str(driver.root)], columns, rows, **environment))
        return made[-1]

    yield start
    for one in made:
        one.close()


def client_of(driver):
    """Return a client of the newest run's Prometheus."""
    ends = driver.manifest()["endpoints"]
    return Client(ends["prometheus"], ends["prometheus_user"], Path(ends["prometheus_password_file"]), 5.0)


def cpu(pid):
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_run_is_watched_on_80x24(driver, terminal):
    """80x24 is filled, a resize followed, a dead sidecar told, and the terminal given back."""
    window = terminal("run", str(driver.write(22)))
    window.wait("the steady phase", lambda lines: "✓ warmup  ▸ steady" in lines[1])
    window.wait("figures of Prometheus", lambda _: re.search(r"\d up$", window.line("targets")))
    window.wait("the new rate", lambda _: re.match(r"asked +10/s", window.line("asked")))
    window.wait("every figure", lambda _: "ms" in window.line("latency p99") and "%" in " ".join(window.lines()))
    lines = window.lines()
    assert lines[0].startswith(driver.runs()[-1].name)
    assert re.search(r"running +\d+ s of 23 s$", lines[0])
    assert "left" in lines[1]
    assert re.match(r"asked +10/s +.*█", window.line("asked"))
    assert re.match(r"llm +", window.line("llm"))
    assert window.line("targets").endswith("4 of 4 up")
    assert lines[-1].startswith("Prometheus http://127.0.0.1:")
    begun, used = time.monotonic(), cpu(window.child.pid)
    window.read(5)
    share = (cpu(window.child.pid) - used) / (time.monotonic() - begun)
    assert share < 0.06, f"the view takes {100 * share:.1f} % of a core"
    window.resize(120, 40)
    window.wait("the wide layout", lambda lines: any(re.match(r"load +now.*nodes", line) for line in lines), 5)
    driver.kill("exporter-0")
    window.wait("the dead sidecar", lambda lines: any("exporter-0 (sidecar) died" in line for line in lines))
    window.wait("the target that is down", lambda lines: any("down: exporter on" in line for line in lines))
    assert window.finish() in {0, 3}
    assert window.raw.count(ALTERNATE) == window.raw.count(BACK) == 1
    tail = window.raw.rpartition(BACK)[2].decode()
    assert "VALID" in tail
    assert "report: " in tail
    assert seal.verify(RunDirectory(driver.runs()[-1])).intact


def test_control_c_stops_the_run_and_gives_the_terminal_back(driver, terminal):
    """Ctrl-C in the view ends the run as ever: sealed, cancelled, the cursor and the screen as they were."""
    window = terminal("run", str(driver.write(60)), NO_COLOR="1")
    window.wait("the steady phase", lambda lines: "▸ steady" in lines[1])
    os.write(window.master, b"\x03")  # no controlling terminal in a test: the signal is sent as well
    window.child.send_signal(signal.SIGINT)
    assert window.finish() == 130
    assert driver.manifest()["ending"] == "cancelled"
    assert window.raw.rstrip().count(BACK) == 1
    assert window.raw.rfind(b"\x1b[?25h") > window.raw.rfind(b"\x1b[?25l")
    assert not re.search(rb"\x1b\[[0-9;]*(38|48);", window.raw)


def test_a_dead_prometheus_does_not_freeze_the_view(driver, terminal):
    """With Prometheus stopped in its tracks the load's own figures go on, and the screen says whose they are."""
    window = terminal("run", str(driver.write(25)))
    window.wait("figures of Prometheus", lambda _: window.line("targets").endswith("4 of 4 up"))
    pid = next(p["pid"] for p in driver.manifest()["processes"] if p["name"] == "prometheus")
    os.kill(pid, signal.SIGSTOP)
    try:
        window.wait("the trouble", lambda lines: "Prometheus has not answered for" in lines[2], 20)
        counted = window.line("failed")
        window.wait("newer figures", lambda _: window.line("failed") != counted, 5)
    finally:
        os.kill(pid, signal.SIGCONT)
    window.wait("figures of Prometheus again", lambda lines: "has not answered" not in lines[2], 20)
    window.child.send_signal(signal.SIGINT)
    window.finish()


def test_every_query_is_understood_and_cheap(driver):
    """Prometheus takes each expression, alone and together; a look of a small run costs it little."""
    run = driver.start("run", str(driver.write(12)), "--json")
    driver.wait_phase("steady")
    client = client_of(driver)
    try:
        for nodes in (1, 1000):
            for question in questions(nodes):
                for text in filter(None, (question.rule, question.raw.replace("$w", "4s"))):
                    client.query(text)
        observer = Observer(client, 1, 0.5)
        driver.wait("rates", lambda: (observer.look().load().done or 0.0) > 6.0)
        begun = time.monotonic()
        measures = observer.look()
        assert time.monotonic() - begun < 0.5
        load = measures.load()
        assert load.asked == 10.0
        assert load.done == pytest.approx(10.0, rel=0.4)
        assert 0 < load.latency_p50 <= load.latency_p99 < 5
        assert load.ttft_p99 is not None
        assert load.ended > 5
        assert measures.services(["llm"])[0].running is not None
        assert 0 < measures.machines()[0].cpu <= 1
        assert 0 < measures.machines()[0].memory < 1
        assert (measures.targets(4).up, measures.targets(4).down) == (4, ())
        past = observer.past(10)
        assert set(past) >= {"asked", "done", "latency_p99"}
        assert past["done"][-1] is not None
        assert len(past["done"]) == 11
        said = driver.call("status", "last").stdout
        assert re.search(r"^  steady: \d+ done, 0 failed, .* left$", said, re.MULTILINE)
        assert "  targets: 4 of 4 up\n" in said
        many = Observer(client, 1000, 0.5).look().machines()
        assert [one.name for one in many] == ["mean", "most"]
        assert many[0].cpu is not None
    finally:
        out, _ = run.communicate(timeout=60)
    assert json.loads(out)["id"]
    with pytest.raises(PrometheusError):
        observer.look()


@pytest.mark.timing
def test_lines_where_there_is_no_terminal(driver):
    """Piped, the view is lines: states, phases, notes as they come."""
    run = driver.start("run", str(driver.write(4)))
    _, err = run.communicate(timeout=60)
    assert re.search(r"^warmup: \d+ done, .* left$", err, re.MULTILINE)
    assert re.search(r"^steady: \d+ done, 0 failed, .*/s, p99 .* left$", err, re.MULTILINE)
    assert re.search(r"^note: .*weights are random", err, re.MULTILINE)
    assert "\x1b" not in err
