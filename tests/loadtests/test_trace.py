"""Traces: arrival times that somebody recorded."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtests import schedule
from loadtests.schedules import trace
from loadtests.schedules.trace import TraceError
from runs.recipe import Phase


def write(directory, text, name="trace.csv"):
    """Write a trace; returns its path."""
    path = directory / name
    path.write_text(text)
    trace.read.cache_clear()
    return str(path)


@pytest.mark.parametrize(
    ("text", "column", "times"),
    [
        ("0\n0.5\n2.25\n", None, [0, 0.5, 2.25]),
        ("time\n1\n\n2\n", None, [1, 2]),
        ("# recorded on a Tuesday\n1\n2\n", None, [1, 2]),
        ("tokens,timestamp\n7,0.1\n9,0.4\n", None, [0.1, 0.4]),
        ("tokens,when\n7,0.1\n9,0.4\n", "when", [0.1, 0.4]),
        ("time\n2026-11-25T10:00:00Z\n2026-11-25T10:00:01.5Z\n", None, [0, 1.5]),
        ("time\n1764064800.5\n1764064802\n", None, [0, 1.5]),
        ('{"timestamp": 0, "input_length": 5}\n{"timestamp": 3}\n', None, [0, 3]),
        ('{"at": {"x": 1}, "when": 0.25}\n', "when", [0.25]),
        ("3\n3\n", None, [3, 3]),
    ],
)
def test_what_a_trace_may_look_like(tmp_path, text, column, times):
    """CSV with and without a head, lines of JSON, seconds and calendar times: all give seconds from the start."""
    assert trace.read(write(tmp_path, text), column) == pytest.approx(times)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", None, "has no arrivals"),
        ("time\n", None, "has no arrivals"),
        ("1\n0.5\n", None, "line 2: earlier than the line before"),
        ("-1\n", None, "before the phase's start"),
        ("1\nsoon\n", None, "line 2: 'soon' is no time"),
        ("1\nnan\n", None, "line 2: 'nan' is no time"),
        ("a,b\n1,2\n", None, "which of its 2 columns"),
        ("a,b\n1,2\n", "c", "no column 'c': its head names a, b"),
        ("a,time\n1,2\n3\n", None, "line 3: has no column 2"),
        ('{"time": 1}\n{"time": \n', None, "line 2: is no JSON"),
        ('{"time": 1}\n{"tim": 2}\n', None, "line 2: has no time or"),
        ('{"time": true}\n', None, "line 1: 'True' is no time"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, column, words):
    """A trace that cannot be replayed is refused with the file, the line and the mend."""
    path = write(tmp_path, text)
    with pytest.raises(TraceError) as caught:
        trace.read(path, column)
    assert words in str(caught.value)
    assert path in str(caught.value)


def test_no_file(tmp_path):
    """A trace that is not there, or is no text, is named."""
    with pytest.raises(TraceError, match="No such file"):
        trace.read(str(tmp_path / "none.csv"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="not UTF-8"):
        trace.read(str(tmp_path / "binary"))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0.01, 10), st.floats(0.1, 300))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_trace_is_replayed_as_it_is(tmp_path, times, scale, duration):
    """Times come back scaled, in order, cut at the phase's end."""
    path = write(tmp_path, "".join(f"{time!r}\n" for time in sorted(times)))
    phase = Phase.model_validate({"name": "steady", "for": duration, "trace": path, "time_scale": scale})
    expected = np.sort(times) * scale
    assert schedule.offsets(phase, 0, 0) == pytest.approx(expected[expected < duration])


def test_a_long_trace_comes_in_pieces(tmp_path):
    """More times than are made at once come in pieces that together are the whole."""
    path = write(tmp_path, "".join(f"{number / 100}\n" for number in range(10_000)))
    phase = Phase.model_validate({"name": "steady", "for": 1000, "trace": path})
    parts = list(schedule.chunks(phase, 0, 0))
    assert [len(part) for part in parts] == [4096, 4096, 1808]
    assert trace.length(path, None) == pytest.approx(100)
