"""The process collector, on small trees and on real ones."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporters.collector import Context, OptionError
from exporters.process import COLLECTOR
from tests.exporters.exposition import Samples
from tests.exporters.test_members import RUN, tagged
from tests.exporters.trees import FakeProcess

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CPU = "process_tree_cpu_seconds_total"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Return a /proc with a boot time."""
    (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1795000000\n")
    return tmp_path


def test_the_series_of_a_tree(proc: Path) -> None:
    """Sums over the tree; the lowest limit and the oldest start; times in seconds, sizes in bytes."""
    FakeProcess(
        100, start=5 * TICKS, environment=tagged("db"), user=2 * TICKS, system=TICKS, faults=4, threads=3, virtual=8192,
        resident=10, io=(1, 2, 3, 4), open_files=4, limit="2048", switches=(7, 8),
    ).write(proc)  # fmt: skip
    FakeProcess(
        101, parent=100, start=6 * TICKS, user=TICKS, children_user=TICKS, threads=2, virtual=4096, resident=5,
        io=(10, 20, 30, 40), open_files=2, limit="unlimited", switches=(1, 1),
    ).write(proc)  # fmt: skip
    samples = Samples(COLLECTOR.create(Context(proc_root=proc, run_id=RUN)).collect())
    assert samples(CPU, service="db", mode="user") == 4.0
    assert samples(CPU, service="db", mode="system") == 1.0
    expected = {
        "major_page_faults_total": 4,
        "resident_memory_bytes": 15 * PAGE,
        "virtual_memory_bytes": 12288,
        "threads": 5,
        "processes": 2,
        "open_fds": 6,
        "max_fds": 2048,
        "start_time_seconds": 1795000005,
        "read_chars_total": 11,
        "write_chars_total": 22,
        "read_bytes_total": 33,
        "write_bytes_total": 44,
        "io_readable": 1,
    }
    assert {name: samples(f"process_tree_{name}", service="db") for name in expected} == expected
    assert samples("process_tree_context_switches_total", service="db", kind="voluntary") == 8
    assert samples("process_tree_context_switches_total", service="db", kind="involuntary") == 9


def test_a_zombie_counts_its_time_and_nothing_else(proc: Path) -> None:
    """Until it is waited for, its time is still its own."""
    FakeProcess(100, start=10, environment=tagged("db"), user=TICKS).write(proc)
    FakeProcess(101, parent=100, start=11, user=TICKS, threads=1).write(proc)
    collector = COLLECTOR.create(Context(proc_root=proc, run_id=RUN))
    list(collector.collect())
    FakeProcess(101, parent=100, start=11, user=TICKS, state="Z").write(proc)
    samples = Samples(collector.collect())
    assert samples(CPU, service="db", mode="user") == 2.0
    assert samples("process_tree_processes", service="db") == 1
    shutil.rmtree(proc / "101")
    FakeProcess(100, start=10, environment=tagged("db"), user=TICKS, children_user=TICKS).write(proc)
    assert Samples(collector.collect())(CPU, service="db", mode="user") == 2.0


def test_a_tree_that_ends_keeps_its_counters(proc: Path) -> None:
    """The counters stay, the gauges go, and there are no processes."""
    FakeProcess(100, start=10, environment=tagged("db"), user=TICKS, io=(5, 5, 5, 5)).write(proc)
    collector = COLLECTOR.create(Context(proc_root=proc, run_id=RUN))
    list(collector.collect())
    shutil.rmtree(proc / "100")
    samples = Samples(collector.collect())
    assert samples(CPU, service="db", mode="user") == 1.0
    assert samples("process_tree_read_bytes_total", service="db") == 5
    assert samples("process_tree_processes", service="db") == 0
    assert samples("process_tree_resident_memory_bytes", service="db") is None


def test_io_that_is_kept_from_us(proc: Path) -> None:
    """Part of a tree's I/O is no figure of the tree: the family is absent, and that is said."""
    FakeProcess(100, start=10, environment=tagged("db"), io=(5, 5, 5, 5)).write(proc)
    FakeProcess(101, parent=100, start=11, io=None).write(proc)
    FakeProcess(200, start=10, environment=tagged("llm"), io=(6, 6, 6, 6)).write(proc)
    samples = Samples(COLLECTOR.create(Context(proc_root=proc, run_id=RUN)).collect())
    assert samples("process_tree_io_readable", service="db") == 0
    assert samples("process_tree_read_bytes_total", service="db") is None
    assert samples("process_tree_io_readable", service="llm") == 1
    assert samples("process_tree_read_bytes_total", service="llm") == 6


def test_damaged_files_are_counted_and_do_no_harm(proc: Path) -> None:
    """A line that cannot be read leaves the figures where they were."""
    FakeProcess(100, start=10, environment=tagged("db"), user=TICKS, io=(5, 5, 5, 5)).write(proc)
    context = Context(proc_root=proc, run_id=RUN)
    collector = COLLECTOR.create(context)
    list(collector.collect())
    (proc / "100" / "stat").write_text("100 (x) S damaged")
    (proc / "100" / "io").write_text("rchar: many")
    samples = Samples(collector.collect())
    assert samples(CPU, service="db", mode="user") == 1.0
    assert samples("process_tree_read_bytes_total", service="db") == 5
    assert context.malformed.count == 2


def test_no_boot_time_no_start_time(proc: Path) -> None:
    """A start in 1970 would be a wrong number."""
    (proc / "stat").write_text("cpu 1\n")
    FakeProcess(100, start=10, environment=tagged("db")).write(proc)
    samples = Samples(COLLECTOR.create(Context(proc_root=proc, run_id=RUN)).collect())
    assert samples("process_tree_start_time_seconds", service="db") is None


@pytest.mark.parametrize("word", ["7", "=7", "x=", "x=seven", "x=999999999"])
def test_options_that_do_not_fit(proc: Path, word: str) -> None:
    """They are refused before anything is watched."""
    with pytest.raises(OptionError, match="--pid"):
        COLLECTOR.create(Context(proc_root=proc, options={"pid": [word]}))


def test_nothing_to_watch_is_refused(proc: Path) -> None:
    """An empty answer would look like an idle service."""
    with pytest.raises(OptionError, match="--run-id"):
        COLLECTOR.create(Context(proc_root=proc))


ROUNDING = 0.05
"""The kernel gives whole ticks, rounded down, for each mode of each process."""

BUSY = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"


@contextmanager
def started(code: str, service: str, run: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run Python code as a program of the run; ends its process group."""
    environment = {**os.environ, "DASHCAM_RUN_ID": run, "DASHCAM_PROCESS": service}
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], env=environment, start_new_session=True, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def until(check: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


class Watch:
    """Collects the real /proc again and again, holding each counter to never falling."""

    def __init__(self, run: str) -> None:
        self._collector = COLLECTOR.create(Context(run_id=run))
        self._shown: dict[tuple[str, str], float] = {}
        self.samples = Samples([])

    def cpu(self, service: str) -> float:
        """Collect; returns the service's CPU time so far."""
        self.samples = Samples(self._collector.collect())
        for mode in ("user", "system"):
            value = self.samples(CPU, service=service, mode=mode) or 0.0
            assert value >= self._shown.get((service, mode), 0.0)
            self._shown[service, mode] = value
        return self._shown[service, "user"] + self._shown[service, "system"]


@pytest.mark.real
def test_short_lived_children_of_a_real_tree() -> None:
    """The time of children that come and go faster than anyone looks is counted, once: as the kernel's own account."""
    child = BUSY.format(seconds=0.03)
    code = (
        "import os, subprocess, sys\n"
        f"for _ in range(40): subprocess.run([sys.executable, '-S', '-c', {child!r}])\n"
        "print(sum(os.times()[:4]), flush=True)\n"
        "sys.stdin.read()\n"
    )
    watch = Watch("real-short")
    with started(
        f"import sys, os\nr, w = os.pipe()\nsys.stdin = os.fdopen(r)\n{code}", "short", "real-short"
    ) as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        line = b""

        def done() -> bool:
            nonlocal line
            watch.cpu("short")
            line += process.stdout.read() or b"" if process.stdout else b""
            return line.endswith(b"\n")

        until(done)
        assert watch.cpu("short") == pytest.approx(float(line), abs=0.1)
        assert float(line) > 1.0


@pytest.mark.real
def test_children_that_nobody_waits_for_in_a_real_tree() -> None:
    """With SIGCHLD ignored the kernel drops the time of children that ended; what was seen of them stays counted."""
    code = (
        "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    end = time.process_time() + 0.5\n"
        "    while time.process_time() < end: pass\n"
        "    time.sleep(60)\n"
        "print(pid, flush=True)\ntime.sleep(60)\n"
    )
    watch = Watch("real-unwaited")
    with started(code, "daemon", "real-unwaited") as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        until(lambda: watch.cpu("daemon") >= 0.5 - ROUNDING)
        before = watch.cpu("daemon")
        os.kill(child, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{child}").exists())
        for _ in range(4):
            assert watch.cpu("daemon") == pytest.approx(before, abs=0.05)
        assert watch.samples("process_tree_processes", service="daemon") == 1


@pytest.mark.real
def test_a_real_child_that_overwrote_its_environment() -> None:
    """As PostgreSQL's backends do to show a title: it is found by its parent, and kept when that ends."""
    code = (
        "import ctypes, os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    start, end = (int(f) for f in open('/proc/self/stat').read().rpartition(')')[2].split()[47:49])\n"
        "    ctypes.memset(start, 0x78, end - start)\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    watch = Watch("real-title")
    with started(code, "db", "real-title") as process:
        assert process.stdout is not None
        backend = int(process.stdout.readline())
        try:
            assert b"DASHCAM" not in Path(f"/proc/{backend}/environ").read_bytes()
            watch.cpu("db")
            assert watch.samples("process_tree_processes", service="db") == 2
            process.kill()
            process.wait(10)
            watch.cpu("db")
            assert watch.samples("process_tree_processes", service="db") == 1
        finally:
            os.kill(backend, signal.SIGKILL)


@pytest.mark.real
def test_a_real_tree_killed_and_started_again() -> None:
    """The service's counter goes on from where it was."""
    watch = Watch("real-again")
    code = BUSY.format(seconds=0.3) + "print('done', flush=True)\ntime.sleep(60)\n"
    total = 0.0
    for _ in range(2):
        with started(code, "llm", "real-again") as process:
            assert process.stdout is not None
            process.stdout.readline()
            total += 0.3
            assert watch.cpu("llm") >= total - ROUNDING
            assert watch.samples("process_tree_start_time_seconds", service="llm") == pytest.approx(time.time(), abs=5)
        assert watch.cpu("llm") >= total - ROUNDING
        assert watch.samples("process_tree_processes", service="llm") == 0
    assert watch.cpu("llm") < total + 0.5


@pytest.mark.real
def test_io_of_real_children_is_counted_once(tmp_path: Path) -> None:
    """What waited-for children wrote is in their parent's account: 20 children, one megabyte each."""
    code = (
        "import os, subprocess, sys, time\n"
        f"write = \"open({str(tmp_path / 'file')!r}, 'wb').write(bytes(1000000))\"\n"
        "for _ in range(20): subprocess.run([sys.executable, '-S', '-c', write])\n"
        "print('done', flush=True)\ntime.sleep(60)\n"
    )
    watch = Watch("real-io")
    with started(code, "writer", "real-io") as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)

        def done() -> bool:
            watch.cpu("writer")
            return bool(process.stdout and process.stdout.read())

        until(done)
        for _ in range(2):
            watch.cpu("writer")
        written = watch.samples("process_tree_write_chars_total", service="writer")
        assert written == pytest.approx(20e6, rel=0.02)
