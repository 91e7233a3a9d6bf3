"""Whole runs in which one thing goes wrong: the verdict names it, and blames nothing else."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runs import seal
from runs.directory import RunDirectory
from tests.jobs.driver import Driver

pytestmark = [pytest.mark.real, pytest.mark.timing]

RECIPE = """\
name: fault
watch: {{interval: {interval}, exporters: [{exporters}]}}
services:
  app:
    kind: command
    command: "{python} -P -m tests.jobs.faulty {{port}} {{address}} {argv}"
    ready: /ready
    metrics: /metrics
    url: "{scheme}://{{address}}:{{port}}/{how}"
load:
  generator: openai
  {prompts}
  max_tokens: {tokens}
  seed: 5
  drain: 2s
  timeout: {limit}
  phases: {phases}
{more}"""

Meanwhile = Callable[[Driver], None]


@dataclass(frozen=True)
class Case:
    """A whole run: how the service behaves, the phases, and what happens in the first measured one."""

    how: str
    phases: tuple[dict[str, object], ...]
    meanwhile: Meanwhile | None = None
    interval: str = "500ms"
    exporters: str = ""
    argv: str = ""
    scheme: str = "http"
    limit: str = "1500ms"
    more: str = ""
    """Further lines of the load."""
    questions: int = 0
    """Different prompts there are, from a file; 0: each is another."""
    prompt: int = 8
    tokens: int = 4
    """Words of each prompt, and most tokens of each answer."""


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    run: RunDirectory
    summary: dict[str, Any]

    def rules(self, level: str) -> dict[str, str]:
        """Return what was found, by rule."""
        return {found["rule"]: found["message"] for found in self.summary["findings"] if found["level"] == level}

    @property
    def invalid(self) -> dict[str, str]:
        """What makes the run INVALID."""
        return self.rules("invalid")

    @property
    def warnings(self) -> dict[str, str]:
        """What the reader must know."""
        return self.rules("warning")

    @property
    def measured(self) -> dict[str, Any]:
        """Figures of the measured phases."""
        return self.summary["measured"]


def carried_out(folder: Path, case: Case) -> Result:
    """Run the faulty service under a load to the end, which must be sealed, with nothing left."""
    driver = Driver(folder / "recordings")
    prompts = f"prompt_tokens: {case.prompt}"
    if case.questions:
        lines = [json.dumps({"prompt": f"question {n}", "max_tokens": 4}) for n in range(case.questions)]
        (folder / "prompts.jsonl").write_text("\n".join(lines))
        prompts = f"prompts: {folder / 'prompts.jsonl'}"
    names = ("how", "interval", "exporters", "argv", "scheme", "limit", "tokens", "more")
    facts = {name: getattr(case, name) for name in names}
    phases = json.dumps(case.phases)
    driver.recipe.write_text(RECIPE.format(**facts, phases=phases, prompts=prompts, python=sys.executable))
    child = driver.start("run", str(driver.recipe), PYTHONPATH=os.getcwd())  # noqa: PTH109 - the service is a test's
    try:
        if case.meanwhile is not None:
            driver.wait_phase("steady")
            case.meanwhile(driver)
        out, err = child.communicate(timeout=60)
    finally:
        if child.poll() is None:
            child.terminate()
            child.communicate(timeout=30)
    assert child.returncode in {0, 1, 3}, out + err
    assert "Traceback" not in out + err
    assert driver.left() == []
    run = RunDirectory(driver.runs()[-1])
    assert seal.verify(run).intact
    assert "Traceback" not in "".join(path.read_text() for path in run.logs.iterdir())
    found = Result(run, json.loads(run.summary.read_bytes()))
    print(*found.summary["findings"], sep="\n")  # noqa: T201 - what a failed test is about
    return found


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Have a process stand still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stands_still(name: str, seconds: float) -> Meanwhile:
    """Have a program of the run stand still for a while."""

    def meanwhile(driver: Driver) -> None:
        with stopped(driver.pid(name)):
            time.sleep(seconds)

    return meanwhile


def restarts(driver: Driver) -> None:
    """Have the service's wrapper start it anew."""
    os.kill(driver.pid("app"), signal.SIGUSR1)


def strangers(driver: Driver) -> None:
    """Ask the service beside the load, while a sidecar stands still."""
    port = next(process["port"] for process in driver.manifest()["processes"] if process["name"] == "app")
    with stopped(driver.pid("node-exporter-0")):
        for _ in range(20):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/good", data=b"{}", timeout=5).read()
            time.sleep(0.12)


def shard_dies(driver: Driver) -> None:
    """Kill one of the load's processes."""
    pid = driver.pid("load")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)


def dies(driver: Driver) -> None:
    """Kill the service when the last phase is over."""

    def draining() -> bool:
        return json.loads((driver.runs()[-1] / "load" / "progress.json").read_text())["state"] == "drain"

    driver.wait("the drain", draining)
    driver.kill("app")


def steady(seconds: float = 4, rate: float = 50, **more: object) -> tuple[dict[str, object]]:
    """Describe a measured phase."""
    return ({"name": "steady", "for": seconds, "rate": rate, "arrival": "constant", **more},)


WAYS = {
    "busy": "http_429", "torn": "truncated", "headers_only": "truncated", "longer": "truncated", "shorter": "protocol",
    "malformed": "malformed", "failing": "server_error", "whole_error": "server_error", "page": "malformed",
    "empty": "empty", "cut": "truncated", "silent": "timeout", "aborted": "finish_abort",
}  # fmt: skip
"""Bad answers, with the kinds of failure that they are."""

CASES = {
    "truncated": Case("mixed,bad=truncated,every=100,takes=0.01", steady()),
    "answers": Case(f"mixed,bad={'+'.join(WAYS)},every=5", steady(4, 65)),
    "untold": Case("mixed,bad=no_usage+gone+double,every=10,takes=0.01", steady(2)),
    "buffered": Case("good,takes=0.05,words=12", steady(2), prompt=40, tokens=12, more="objectives: {itl_p50: 20ms}"),
    "models": Case("mixed,bad=other_model,every=20,takes=0.02", steady(2)),
    "jump": Case("shifts,takes=0.06,then=0.2,after=150", steady(5.5, 55)),
    "zero": Case("good,takes=0.02", steady(2), argv="zero"),
    "frozen": Case("good,takes=0.02", steady(7.5), argv="frozen=60"),
    "hangs": Case("good,takes=0.02", steady(6, 60), stands_still("app", 4), interval="1s"),
    "shard": Case("good,takes=0.02", steady(3, 60), shard_dies, more="  processes: 2"),
    "restart": Case("good,takes=0.02", steady(5), restarts, argv="restarts"),
    "strangers": Case("good,takes=0.02", steady(6), strangers, exporters="node"),
    "prometheus": Case("good,takes=0.02", steady(6), stands_still("prometheus", 3.0)),
    "overload": Case("queue,takes=0.02", steady(3, 100)),
    "cache": Case("cached,takes=0.1", steady(), questions=40),
    "clock": Case("good,takes=0.02", steady(2), argv="ahead=2"),
    "tls": Case("good", steady(1), scheme="https"),
    "drain": Case("good,takes=1", steady(2), dies),
    "stall": Case("good,takes=0.02", steady(5, 80), stands_still("app", 1.4), interval="1s"),
    "client": Case("good,takes=0.02", ({"name": "steady", "for": 4, "users": 3},), stands_still("load", 1.2)),
}
"""Runs that no other run disturbs."""

SIDE_BY_SIDE = 4
"""How many of them at once: they wait most of the time."""


class Together:
    """Whole runs beside each other; who asks for one a second time gets a run of its own.

    They begin when the first of them is asked for: a further try of a file's last test makes its fixtures anew.
    """

    def __init__(self, folder: Path, cases: Mapping[str, Case] = CASES, at_once: int = SIDE_BY_SIDE) -> None:
        self._folder, self._cases = folder, cases
        self._pool = ThreadPoolExecutor(at_once)
        self._running: dict[str, Future[Result]] | None = None

    def _run(self, name: str, folder: Path) -> Result:
        folder.mkdir()
        return carried_out(folder, self._cases[name])

    def result(self, name: str) -> Result:
        """Return the result of a case."""
        if self._running is None:
            self._running = {one: self._pool.submit(self._run, one, self._folder / one) for one in self._cases}
        running = self._running.pop(name, None)
        return running.result() if running else self._run(name, self._folder / f"{name}-{time.monotonic_ns()}")

    def wait(self) -> None:
        """Wait for what still runs."""
        for running in (self._running or {}).values():
            with contextlib.suppress(Exception):
                running.result()


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The cases, which run beside each other."""
    made = Together(tmp_path_factory.mktemp("together"))
    yield made
    made.wait()


def test_one_truncated_stream_in_a_hundred(together):
    """Wrong answers beyond one in a thousand are INVALID, though as failures they would be forgiven."""
    found = together.result("truncated")
    assert set(found.invalid) == {"right_answers"}
    assert "(truncated 2)" in found.invalid["right_answers"]
    assert "failures" in found.warnings


def test_all_that_can_come_back(together):
    """Each bad answer is counted by its kind; the connection is none the worse for the next request."""
    found = together.result("answers")
    assert found.measured["requests"] == 260
    assert found.measured["errors"] == Counter(kind for kind in WAYS.values() for _ in range(4))
    assert set(found.invalid) == {"failures", "right_answers"}
    assert "Retry-After: 7" in (found.run.logs / "load.log").read_text()


def test_what_good_answers_hide(together):
    """Answers without usage, requests that went a second time, pieces sent twice: VALID, with a reserve for each."""
    found = together.result("untold")
    assert found.invalid == {}
    assert {"tokens_known", "retried", "pieces_fit"} <= set(found.warnings)
    assert found.measured["failed"] == 0


def test_a_service_that_begins_anew(together):
    """A wrapper that starts the server anew within the window: its counters say so, and no count is missed."""
    found = together.result("restart")
    assert set(found.invalid) == {"not_restarted"}


def test_strangers_and_a_sidecar_that_stood_still(together):
    """Requests beside ours make the server count more than was sent; a sidecar's silence is a reserve only."""
    found = together.result("strangers")
    assert set(found.invalid) == {"counts_agree"}
    assert "others used the service too" in found.invalid["counts_agree"]
    assert "node on" in found.warnings["targets_up"]


def test_a_prometheus_that_stood_still(together):
    """What happened while nobody watched, nobody knows."""
    found = together.result("prometheus")
    assert set(found.invalid) == {"targets_up"}


def test_more_than_the_service_can_do(together):
    """Asked for twice its capacity, a service does not keep up, and that is the reason."""
    found = together.result("overload")
    assert set(found.invalid) == {"kept_up"}  # that the client gives up after 1.5 s follows from it
    assert found.measured["sent_per_second"] == pytest.approx(100, rel=0.03)
    assert found.measured["completed_per_second"] < 52


def test_answers_from_a_cache(together):
    """Prompts that come again are answered by a cache; that they are quick is no warm-up."""
    found = together.result("cache")
    assert set(found.invalid) == {"not_cached"}


def test_a_wrong_clock(together):
    """A node's clock that is off by 2 s: its curves do not fit the client's."""
    found = together.result("clock")
    assert set(found.invalid) == {"clocks_agree"}


def test_a_service_that_speaks_no_tls(together):
    """A handshake that fails is named."""
    found = together.result("tls")
    assert found.measured["errors"] == {"tls": 50}
    assert set(found.invalid) == {"failures"}


def test_a_service_that_dies_while_answers_are_open(together):
    """Death in the drain, after the last phase, is the reason, with its moment."""
    found = together.result("drain")
    assert "app (service) died" in found.invalid["completed"]
    assert "over by" in found.invalid["completed"]
    assert set(found.invalid) == {"completed"}


def test_a_stall_of_the_service_is_in_the_tail_and_no_fault_of_the_numbers(together):
    """SIGSTOP for 1.4 s: requests go on leaving, some wait for as long, and p99 says so; the run is VALID."""
    found = together.result("stall")
    assert found.invalid == {}
    latency = found.measured["latency_seconds"]
    assert latency["p50"]["value"] < 0.1
    assert 1.2 < latency["p99"]["value"] < 1.6
    assert found.measured["lag_seconds"]["p90"]["value"] < 0.05
    assert found.measured["requests"] == found.measured["succeeded"] == 400


def test_answers_of_another_model(together):
    """A router that gives some requests to another model: no one speed."""
    found = together.result("models")
    assert set(found.invalid) == {"one_model"}
    assert "large 95, small 5" in found.invalid["one_model"]


def test_a_proxy_that_buffers(together):
    """Answers that come at once have no gaps between tokens, and meet no bound of them; prompts that were cut."""
    found = together.result("buffered")
    assert set(found.invalid) == {"streamed"}
    assert "100 % of the streamed answers came at once" in found.invalid["streamed"]
    assert "1,600 tokens of prompts that have 4,000 words" in found.warnings["prompts_whole"]


def test_a_service_that_gets_slow_at_once(together):
    """A level that changes halfway is two states of the service, not one."""
    found = together.result("jump")
    assert set(found.invalid) == {"steady"}
    assert "at 50% of it" in found.invalid["steady"]


def test_a_page_that_tells_nothing(together):
    """A counter that stays 0 while answers come."""
    found = together.result("zero")
    assert set(found.invalid) == {"counts_agree"}
    assert "counted 0 requests" in found.invalid["counts_agree"]


def test_a_page_that_stops_moving(together):
    """From some moment on the same figures again and again: that counts disagree follows from it."""
    found = together.result("frozen")
    assert set(found.invalid) == {"not_frozen"}
    assert "counts_agree" in found.warnings


def test_a_service_that_hangs(together):
    """SIGSTOP for 4 s: it answered neither the load nor Prometheus, which is one fault."""
    found = together.result("hangs")
    assert set(found.invalid) == {"failures"}
    assert set(found.measured["errors"]) == {"timeout"}


def test_a_load_process_that_dies(together):
    """One of two: the run ends, says which, and keeps what the others recorded."""
    found = together.result("shard")
    assert set(found.invalid) == {"completed"}
    assert "killed by signal 9" in found.summary["reason"]
    assert found.measured["succeeded"] > 0


def test_a_client_that_stood_still(together):
    """Users of a closed loop that were not there for a second: the client was the bottleneck."""
    found = together.result("client")
    assert set(found.invalid) == {"client_cpu"}


@contextlib.contextmanager
def hogs(count: int) -> Iterator[None]:
    """Burn cores."""
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in burning:
            hog.kill()
            hog.wait()


def hogged(_driver: Driver) -> None:
    """Burn all cores twice over until the phase is over."""
    with hogs(2 * (os.cpu_count() or 1)):
        time.sleep(3)


def test_a_machine_that_has_no_cpu_to_spare(together, tmp_path):
    """Others that burn all cores of the client's node are noted, whether the figures were hurt or not."""
    together.wait()
    found = carried_out(tmp_path, Case("good,takes=0.02", steady(4, 80), hogged, exporters="node"))
    assert {"client_lag", "client_cpu"} & {*found.invalid, *found.warnings}
    assert set(found.invalid) <= {"client_lag", "client_cpu"}


def test_clean_runs_of_odd_shapes(together, tmp_path):
    """A pause between phases, users who think, a rate below one a second, a very short window: all VALID."""
    together.wait()
    phases = (
        {"name": "steady", "for": 2, "rate": 40},
        {"name": "pause", "for": 1, "rate": 0.1, "measured": False},
        {"name": "closed", "for": 2, "users": 4, "think": 0.05, "measured": True},
        {"name": "slow", "for": 2, "rate": 0.5, "measured": True},
        {"name": "short", "for": 0.3, "rate": 40, "measured": True},
    )
    found = carried_out(tmp_path, Case("good,takes=0.02", phases, exporters="node"))
    assert found.invalid == {}
