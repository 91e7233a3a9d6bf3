"""Context switches."""

from pathlib import Path

import pytest

from exporters.members import Member
from exporters.switches import SwitchCounter
from tests.exporters.trees import FakeProcess, write_files


def status(voluntary: int, involuntary: int) -> str:
    """Return the lines of /proc/PID/task/TID/status that count."""
    return f"voluntary_ctxt_switches:\t{voluntary}\nnonvoluntary_ctxt_switches:\t{involuntary}\n"


@pytest.fixture(autouse=True)
def _always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporters.switches._SHARE", 1e9)


def test_all_threads_count_and_ended_ones_stay(tmp_path: Path) -> None:
    """A service's switches are those of all its threads, and never fall."""
    FakeProcess(7, start=1, switches=(5, 1)).write(tmp_path)
    write_files(tmp_path / "7" / "task", {"8/status": status(10, 2)})
    counter, member = SwitchCounter(tmp_path), Member(7, 1, "llm")
    assert counter.read([member]) == {"llm": (15, 3)}
    write_files(tmp_path / "7" / "task", {"8/status": "gone", "9/status": status(100, 0)})
    assert counter.read([member]) == {"llm": (115, 3)}
    write_files(tmp_path / "7" / "task", {"9/status": status(1, 0)})
    assert counter.read([member]) == {"llm": (116, 3)}, "a thread's number given again"
    assert counter.read([]) == {"llm": (116, 3)}, "the service has ended"


def test_large_programs_are_read_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass is made only when a hundred times its cost has gone by."""
    now = 0.0
    monkeypatch.setattr("exporters.switches._SHARE", 0.01)

    def clock() -> float:
        nonlocal now
        now += 0.5  # each pass takes half a second
        return now

    monkeypatch.setattr("exporters.switches.time.monotonic", clock)
    FakeProcess(7, start=1, switches=(5, 1)).write(tmp_path)
    counter, member = SwitchCounter(tmp_path), Member(7, 1, "llm")
    assert counter.read([member]) == {"llm": (5, 1)}
    FakeProcess(7, start=1, switches=(9, 1)).write(tmp_path)
    assert counter.read([member]) == {"llm": (5, 1)}
    now += 50.0
    assert counter.read([member]) == {"llm": (9, 1)}
