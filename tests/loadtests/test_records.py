"""Every request on disk."""

import threading

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtests import records
from loadtests.outcome import Outcome
from loadtests.records import PARQUET, STREAM, Recorder
from runs.records import SCHEMA

maybe_time = st.none() | st.floats(0, 1e6)
outcomes = st.builds(
    Outcome,
    sent=maybe_time,
    first_byte=maybe_time,
    first_token=maybe_time,
    done=st.floats(0, 1e6),
    ok=st.booleans(),
    error=st.none() | st.text(max_size=8),
    status=st.none() | st.integers(0, 999),
    received=st.integers(0, 2**40),
    tokens_in=st.none() | st.integers(0, 2**31 - 1),
    tokens_out=st.none() | st.integers(0, 2**31 - 1),
    gaps=st.lists(st.floats(0, 100, width=32), max_size=5),
    recall=st.none() | st.floats(0, 1, width=32),
    retries=st.integers(0, 1),
)


def ns(moment):
    """Turn seconds into nanoseconds."""
    return round(moment * 1e9)


def a_row(number, outcome=None, phase="steady"):
    """Make one row."""
    outcome = outcome or Outcome(done=1.0)
    return records.row(ns, number=number, phase=phase, user=None, intended=0.0, outcome=outcome)


@given(st.lists(outcomes, max_size=30), st.integers(1, 7))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_recorded_is_read(tmp_path, made, every):
    """Any outcomes, flushed at any time, come back value for value in the contract's schema."""
    recorder = Recorder(tmp_path)
    for number, outcome in enumerate(made):
        recorder.add(a_row(number, outcome))
        if number % every == 0:
            recorder.flush()
    recorder.close()
    assert records.finish(tmp_path) == len(made)
    table = pq.read_table(tmp_path / PARQUET)
    assert table.schema.equals(SCHEMA)
    for got, outcome in zip(table.to_pylist(), made, strict=True):
        for name in ("ok", "error", "status", "received", "tokens_in", "tokens_out", "recall", "retries"):
            assert got[name] == getattr(outcome, name)
        assert got["gaps"] == (outcome.gaps or None)
        assert got["sent"] is None if outcome.sent is None else got["sent"].value == ns(outcome.sent)


def test_no_request_is_a_valid_file(tmp_path):
    """A load without a request leaves an empty Parquet file of the right schema."""
    Recorder(tmp_path).close()
    assert records.finish(tmp_path) == 0
    assert pq.read_table(tmp_path / PARQUET).schema.equals(SCHEMA)


def test_pandas_opens_it(tmp_path):
    """`pandas.read_parquet` reads times as UTC and words as categories."""
    recorder = Recorder(tmp_path)
    recorder.add(a_row(0, Outcome(sent=0.5, done=1.0, ok=True, gaps=[0.1])))
    recorder.close()
    records.finish(tmp_path)
    frame = pd.read_parquet(tmp_path / PARQUET)
    assert str(frame.done.dtype) == "datetime64[ns, UTC]"
    assert ((frame.done - frame.sent).dt.total_seconds() == 0.5).all()


def test_flushed_rows_are_readable_before_the_end(tmp_path):
    """What is flushed can be read while the load goes on, as after a kill."""
    recorder = Recorder(tmp_path)
    recorder.add(a_row(0))
    recorder.flush()
    recorder.add(a_row(1))
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / STREAM).write_bytes((tmp_path / STREAM).read_bytes())
    assert records.finish(copy) == 1


def test_a_torn_end_costs_the_torn_batch_only(tmp_path):
    """Cut at any byte, the stream gives every batch that is whole."""
    recorder, ends = Recorder(tmp_path), []
    for number in range(3):
        recorder.add(a_row(number))
        recorder.flush()
        ends.append((tmp_path / STREAM).stat().st_size)
    stream = (tmp_path / STREAM).read_bytes()
    for cut in sorted({*range(0, len(stream), 61), *(end + step for end in ends for step in (-1, 0, 1)), 0, 7}):
        (tmp_path / STREAM).write_bytes(stream[:cut])
        (tmp_path / PARQUET).unlink(missing_ok=True)
        assert records.finish(tmp_path) == sum(end <= cut for end in ends), cut
        assert pq.read_table(tmp_path / PARQUET).schema.equals(SCHEMA)


def test_finishing_twice_changes_nothing(tmp_path):
    """A second call leaves the file alone and gives the same count; the stream is gone after the first."""
    recorder = Recorder(tmp_path)
    recorder.add(a_row(0))
    recorder.close()
    assert records.finish(tmp_path) == 1
    before = (tmp_path / PARQUET).stat()
    assert records.finish(tmp_path) == 1
    assert (tmp_path / PARQUET).stat() == before
    assert [path.name for path in tmp_path.iterdir()] == [PARQUET]


def test_nothing_there_is_no_error(tmp_path):
    """A directory in which no load ever ran has no requests."""
    assert records.finish(tmp_path) == 0


def test_a_failure_leaves_the_stream(tmp_path, monkeypatch):
    """Where Parquet cannot be written, the stream stays for another try and no half file is left."""
    recorder = Recorder(tmp_path)
    recorder.add(a_row(0))
    recorder.close()
    monkeypatch.setattr(records, "_copy", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        records.finish(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [STREAM]
    monkeypatch.undo()
    assert records.finish(tmp_path) == 1


def test_flushing_beside_the_loop_loses_nothing(tmp_path):
    """A thread that flushes while another adds neither loses nor doubles a request."""
    recorder, over = Recorder(tmp_path), threading.Event()

    def flush():
        while not over.is_set():
            recorder.flush()

    thread = threading.Thread(target=flush)
    thread.start()
    for number in range(60_000):
        recorder.add(a_row(number))
    over.set()
    thread.join()
    recorder.close()
    records.finish(tmp_path)
    assert pq.read_table(tmp_path / PARQUET)["request"].to_pylist() == list(range(60_000))


def test_memory_stays_flat(tmp_path):
    """Writing and finishing 300 000 requests holds a few batches, not all of them."""
    pool = pa.default_memory_pool()
    before, peak = pool.bytes_allocated(), pool.max_memory()
    recorder, row = Recorder(tmp_path), a_row(0, Outcome(done=1.0, gaps=[0.1] * 20))
    for number in range(300_000):
        recorder.add(row)
        if number % 5_000 == 4_999:
            recorder.flush()
    recorder.close()
    assert records.finish(tmp_path) == 300_000
    assert pool.max_memory() <= max(peak, before + (40 << 20))


def test_streams_of_several_processes_become_one_file(tmp_path):
    """Each process has its stream; one Parquet file holds the requests of all, and the streams are gone."""
    for shard in range(3):
        recorder = Recorder(tmp_path, records.stream(shard, 3))
        for number in range(shard, 10_000, 3):
            recorder.add(a_row(number))
        recorder.close()
    assert records.finish(tmp_path) == 10_000
    assert sorted(pq.read_table(tmp_path / PARQUET)["request"].to_pylist()) == list(range(10_000))
    assert [path.name for path in tmp_path.iterdir()] == [PARQUET]


def test_a_kill_while_streams_are_removed_loses_nothing(tmp_path):
    """Where some of the streams are gone already, the file that was made of all of them stays."""
    for shard in range(2):
        recorder = Recorder(tmp_path, records.stream(shard, 2))
        recorder.add(a_row(shard))
        recorder.close()
    last = (tmp_path / records.stream(1, 2)).read_bytes()
    assert records.finish(tmp_path) == 2
    (tmp_path / records.stream(1, 2)).write_bytes(last)
    assert records.finish(tmp_path) == 2
    assert pq.read_table(tmp_path / PARQUET).num_rows == 2
