"""Programs on a clock of their own."""

import os
import time
from pathlib import Path

from exporters.clockwork import Clockwork, Output, run


def test_what_a_program_tells() -> None:
    """Its output, its failure with its own words, or that it is not there."""
    assert run(["sh", "-c", "echo yes"], os.environ, 5).text == "yes\n"
    assert run(["sh", "-c", "echo no >&2; exit 3"], os.environ, 5).error == "sh ended with status 3: no"
    output = run(["/nowhere/program"], os.environ, 5)
    assert (output.missing, output.error) == (True, "program cannot be started: No such file or directory")


def test_a_program_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    """Its whole process group is."""
    begun = time.monotonic()
    output = run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait"], os.environ, 0.3)
    assert output.timed_out
    assert time.monotonic() - begun < 5
    stat = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    deadline = time.monotonic() + 5
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline


def test_nobody_waits_for_a_slow_program() -> None:
    """The first asker waits as long as it said, later ones get what the last run left."""
    calls = []

    def work() -> Output:
        calls.append(time.monotonic())
        time.sleep(0.3)
        return Output(text=str(len(calls)))

    clock = Clockwork(work, every=0.1, name="test")
    assert clock.last(0.01) is None
    first = clock.last(5)
    assert first is not None
    assert first.text == "1"
    begun = time.monotonic()
    clock.last(5)
    assert time.monotonic() - begun < 0.2
    while (latest := clock.last(0)) is not None and latest.text == "1":
        assert time.monotonic() - begun < 10
    # It rests four times as long as it ran.
    assert calls[1] - calls[0] >= 1.4
