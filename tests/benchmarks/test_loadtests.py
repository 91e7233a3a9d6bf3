"""The benchmarks of the load generator, each in its smallest form: what they show must be there, whatever it is."""

import math
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from benchmarks.figures import Goal, Spread
from benchmarks.loadtests import lag, memory, others, processes, requests, streams
from benchmarks.loadtests.size import Size
from benchmarks.loadtests.stage import measure, running, staged, until
from benchmarks.meter import children, cpu_seconds, machine_seconds

ROOT = Path(__file__).parents[2]


_TINY = Size(rounds=1, seconds=0.4, settle=0.1, streams=(1, 3), requests=(50, 200))


def _rows(table: str) -> dict[str, list[float]]:
    """Return the rows of tables by their first column; all figures of each."""
    found = {}
    for line in table.splitlines():
        cells = re.split(r"\s{2,}", line.strip())
        figures = [float(cell) for cell in cells[1:] if re.fullmatch(r"\d+(\.\d+)?", cell)]
        if len(figures) >= 3:
            found[cells[0]] = figures
    return found


def _sound(goals: list[Goal]) -> None:
    for goal in goals:
        assert all(map(math.isfinite, (goal.spread.low, goal.spread.middle, goal.spread.high))), goal
        assert re.search(r"goal [<>]= \S+: (met|MISSED), ", str(goal))


def test_a_goal_may_be_a_least_one() -> None:
    """Of two processes more is better, and rounds on both sides are told there too."""
    goal = Goal("x", 1.7, "times", Spread.of([1.6, 1.87, 1.9]), least=True)
    assert str(goal) == "x: 1.87 times (1.60 to 1.90), goal >= 1.7: met, 10% above; rounds on both sides of it"
    assert "MISSED, 50% below" in str(Goal("x", 2.0, "times", Spread.of([1.0]), least=True))


def test_the_machine_was_busy_for_as_long_as_we_were() -> None:
    """What others used is the rest of it: a clock that missed us would blame them."""
    before, own = machine_seconds(), cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) - own < 0.2:
        pass
    assert machine_seconds() - before >= 0.15


def test_children_are_found() -> None:
    """The processes of a load are its children; their CPU belongs to it."""
    with running((sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)")) as process:
        until(process, lambda: process.pid in children(os.getpid()))


def test_the_server_counts_what_it_sends() -> None:
    """An answer of each kind, and the events of a stream."""
    with staged() as stage:
        server = stage.server(events=3, gap=0.001)
        for done, (path, body, parts) in enumerate(
            (("", None, 0), ("/whole/v1/completions", b"{}", 1), ("/streams/v1/completions", b"{}", 3))
        ):
            with urllib.request.urlopen(f"{server.url}{path}", body) as answer:  # noqa: S310 - our own server
                assert answer.read().count(b" word") == parts
            deadline = time.monotonic() + 5
            while server.counts.answers == done and time.monotonic() < deadline:
                time.sleep(0.001)  # it counts what it has sent, not what it is about to send
            assert server.counts.answers == done + 1
        assert server.counts.events == 3


def test_a_load_that_ends_or_sends_nothing_is_not_measured() -> None:
    """A figure of a load that was not there would be none; what it says is told."""
    with staged() as stage:
        server = stage.server()
        with pytest.raises(AssertionError, match="ended with code 3") as error, running(_ends_with(3)) as process:
            measure(process, server, 0.0, 0.1)
        assert "because of that" in " ".join(error.value.__notes__)


def _ends_with(code: int) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; print('because of that', file=sys.stderr); sys.exit({code})")


@pytest.mark.real
def test_requests(capsys: pytest.CaptureFixture[str]) -> None:
    """All loads are in both tables, and our ratio to k6 is that of the CPU times."""
    goals = requests.run(_TINY)
    _sound(goals)
    assert [goal.bound for goal in goals] == [3.0, 1.0]
    closed, paced = capsys.readouterr().out.split("1000 requests/s, evenly spaced")[:2]
    ours = {"k6", "k6 writing CSV", "dashcam, GET", "dashcam, openai, whole answers"}
    assert _rows(closed).keys() - {"wrk"} == ours
    assert _rows(paced).keys() == ours
    assert ("wrk" in _rows(closed)) == others.wrk_there()
    rate, low, middle, high, *ratio = _rows(closed)["dashcam, GET"]
    assert rate > 0
    assert 0 < low <= middle <= high
    assert ratio[1] == pytest.approx(middle / _rows(closed)["k6 writing CSV"][2], rel=0.05)


@pytest.mark.real
def test_streams(capsys: pytest.CaptureFixture[str]) -> None:
    """Both readers see events at each number of streams, and a first one."""
    goals = streams.run(_TINY)
    _sound(goals)
    assert [goal.what for goal in goals] == [
        "median TTFT added at 1 streams",
        "median TTFT added at 3 streams",
        "CPU of an event over the bare reader's at 3 streams",
    ]
    lines = capsys.readouterr().out.splitlines()
    for reader in ("bare reader", "dashcam, openai"):
        assert sum(bool(re.match(rf"\s+[13]\s+{reader}\s+\d+", line)) for line in lines) == 2


@pytest.mark.real
def test_lag(capsys: pytest.CaptureFixture[str]) -> None:
    """Both rates, both arrivals; p50, p99 and the longest are in order."""
    goals = lag.run(_TINY)
    _sound(goals)
    assert len(goals) == 4
    rows = _rows(capsys.readouterr().out)
    assert rows.keys() == {"100, constant", "100, poisson", "1000, constant", "1000, poisson"}
    for row in rows.values():
        assert 0 < row[1] <= row[4] <= row[6] + 0.01


@pytest.mark.real
def test_processes(capsys: pytest.CaptureFixture[str]) -> None:
    """One and two processes, with the CPU of all of them."""
    (goal,) = processes.run(_TINY)
    _sound([goal])
    assert goal.least
    rows = _rows(capsys.readouterr().out)
    assert rows.keys() == {"1", "2"}
    assert all(row[1] > 0 for row in rows.values())


@pytest.mark.real
def test_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """A figure for each number of requests."""
    (goal,) = memory.run(_TINY)
    _sound([goal])
    rows = _rows(capsys.readouterr().out)
    assert rows.keys() == {"50", "200"}
    assert all(row[1] > 10 for row in rows.values())


@pytest.mark.real
def test_on_the_command_line() -> None:
    """The machine, the tables, the goals; an unknown name is refused."""
    words = [sys.executable, "-P", "-m", "benchmarks.loadtests"]
    refused = subprocess.run(
        [*words, "lags"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert refused.returncode == 2
    assert "no benchmark lags: there are requests, streams, lag, processes, memory" in refused.stderr
