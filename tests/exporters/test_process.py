"""Process trees: found by the run's tag, counted with the children that came and went."""

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.collector import Context
from exporters.process import ProcessCollector, Sample, _Tree, parse_io, parse_stat

RUN = "20260101-000000-test-0000"


def values(collector):
    """Return the samples of one collection by name and labels."""
    found = {}
    for family in collector.collect():
        for sample in family.samples:
            found[sample.name, *sorted(sample.labels.values())] = sample.value
    return found


def spawn(code, name="svc", **environment):
    """Start a tagged Python program that says `up` when its code has begun."""
    env = {**os.environ, "DASHCAM_RUN_ID": RUN, "DASHCAM_PROCESS": name, **environment}
    child = subprocess.Popen(
        [sys.executable, "-c", f"print('up', flush=True)\n{code}"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()
    return child


@pytest.fixture
def collector():
    """A collector of the run RUN on this machine."""
    return ProcessCollector(Context(run_id=RUN))


def test_finds_programs_by_their_tag(collector):
    """A program of the run is found with its memory, threads and files; another run's is not."""
    ours, other = spawn("input()"), spawn("input()", DASHCAM_RUN_ID="another")
    found = values(collector)
    assert found["process_tree_processes", "svc"] == 1
    assert found["process_tree_resident_memory_bytes", "svc"] > 5e6
    assert found["process_tree_open_fds", "svc"] >= 3
    assert found["process_tree_threads", "svc"] == 1
    assert abs(found["process_tree_start_time_seconds", "svc"] - time.time()) < 30
    for child in (ours, other):
        child.communicate(b"\n")


def test_child_without_the_tag_is_found_by_its_parent(collector):
    """A child that lost its environment, as PostgreSQL's do, belongs to its parent's tree."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'], env={})"
    parent = spawn(code)
    deadline = time.monotonic() + 10
    while values(collector).get(("process_tree_processes", "svc")) != 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.communicate(b"\n")


def test_short_lived_children_are_counted(collector):
    """CPU of children that lived between two scrapes is in the tree's time, and once only."""
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    code = f"import subprocess, sys\nfor _ in range(5): subprocess.run([sys.executable, '-c', {burn!r}])\nprint('done', flush=True)\ninput()"
    parent = spawn(code)
    values(collector)
    parent.stdout.readline()
    found = values(collector)
    total = (
        found["process_tree_cpu_seconds_total", "svc", "user"]
        + found["process_tree_cpu_seconds_total", "svc", "system"]
    )
    assert 1.0 <= total < 1.8
    parent.communicate(b"\n")
    after = values(collector)
    assert (
        after["process_tree_cpu_seconds_total", "svc", "user"] >= found["process_tree_cpu_seconds_total", "svc", "user"]
    )
    assert after["process_tree_processes", "svc"] == 0


def sample(user, taken=0.0, start=1):
    """Make a process with CPU time, of which `taken` came from its children."""
    return Sample(1, start, user, 0.0, {"user": taken, "system": 0.0, "faults": 0.0}, 0.0, 1, 0, 0, None, None, None)


def test_reaped_child_is_not_counted_twice():
    """A child's time moves to its parent when it is reaped: the sum stays."""
    tree = _Tree()
    assert tree.advance({(1, 1): sample(1.0), (2, 1): sample(5.0)})["user"] == 6.0
    assert tree.advance({(1, 1): sample(6.0, taken=5.0)})["user"] == 6.0


def test_orphan_is_not_lost():
    """A process that nobody of the tree reaped keeps its last known time in the sum."""
    tree = _Tree()
    tree.advance({(1, 1): sample(1.0), (2, 1): sample(5.0)})
    assert tree.advance({(1, 1): sample(1.5)})["user"] == 6.5
    assert tree.advance({})["user"] == 6.5
    assert tree.advance({(1, 9): sample(0.5, start=9)})["user"] == 7.0


@given(
    st.lists(
        st.dictionaries(st.integers(1, 4), st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=4), max_size=8
    )
)
def test_counters_never_fall(scrapes):
    """Whatever comes and goes, a counter does not go back."""
    tree, before = _Tree(), 0.0
    for processes in scrapes:
        now = {(pid, 1): sample(own + taken, taken=taken) for pid, (own, taken) in processes.items()}
        after = tree.advance(now).get("user", 0.0)
        assert after >= before
        before = after


@pytest.mark.parametrize("name", ["a b", "x) y (z", "((", "))", "é"])
def test_names_with_blanks_and_parentheses(name):
    """The fields of stat are found behind the last parenthesis."""
    fields, found = parse_stat(f"12 ({name}) S 7 " + " ".join(map(str, range(5, 53))))
    assert (found, fields[0], fields[1]) == (name, "S", "7")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    """No text makes the parsers fail in another way than ValueError or KeyError."""
    for parse in (parse_stat, parse_io):
        try:
            parse(text)
        except (ValueError, KeyError):
            continue


def test_malformed_files_are_counted(tmp_path):
    """A stat file that is no stat file costs its process and is counted."""
    proc = tmp_path / "proc" / "5"
    proc.mkdir(parents=True)
    (proc / "environ").write_bytes(f"DASHCAM_RUN_ID={RUN}\0DASHCAM_PROCESS=svc\0".encode())
    (proc / "stat").write_text("nonsense")
    (tmp_path / "proc" / "stat").write_text("btime 100\n")
    context = Context(proc=tmp_path / "proc", run_id=RUN)
    assert ("process_tree_processes", "svc") not in values(ProcessCollector(context))
    assert context.errors["process"] == 1
