"""Every request on disk: streamed while the load goes, so that a kill loses a second at most; Parquet at the end.

Each process of a load has a stream of its own; they become one file.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.outcome import Outcome
from runs.atomic import sync_directory
from runs.records import SCHEMA

STREAM = "requests.arrows"
PARQUET = "requests.parquet"

_STREAMS = "requests*.arrows"
_MADE_OF = "dashcam.streams"

_PLAIN = pa.schema(
    [pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type, nullable=f.nullable) for f in SCHEMA]
)
"""In the stream words stand as they are: a stream of delta dictionaries is not readable after a torn end."""
_BATCH = 8192
"""Rows written at once: what one batch takes in memory, and the least that makes a row group of its own."""


class Recorder:
    """Appends requests to an Arrow stream; `flush` makes them readable by others. Holds what came since the last."""

    def __init__(self, directory: Path, name: str = STREAM) -> None:
        self._file = (directory / name).open("wb")
        self._writer = pa.ipc.new_stream(self._file, _PLAIN)
        self._rows: deque[tuple[Any, ...]] = deque()
        self._lock = threading.Lock()
        self._write([])  # pyarrow imports what it finds (pandas, half a second) at its first batch

    def add(self, row: tuple[Any, ...]) -> None:
        """Keep one request: the columns of `runs.records.SCHEMA` in their order, times in ns."""
        self._rows.append(row)

    def flush(self) -> None:
        """Write what is kept; for a thread beside the event loop, once or twice a second. Raises OSError."""
        with self._lock:
            # One by one, for the loop's thread goes on adding: rows that it adds meanwhile wait for the next flush.
            left = len(self._rows)
            while left:
                count = min(left, _BATCH)
                self._write([self._rows.popleft() for _ in range(count)])
                left -= count
            self._file.flush()
            os.fdatasync(self._file.fileno())  # a node that dies takes what its page cache holds along

    def close(self) -> None:
        """Write the rest and end the stream. Raises OSError."""
        self.flush()
        self._writer.close()
        self._file.close()

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        columns = zip(*rows, strict=True) if rows else ([] for _ in _PLAIN)
        arrays = [pa.array(column, f.type) for column, f in zip(columns, _PLAIN, strict=True)]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_PLAIN))


def row(
    utc_ns: Callable[[float], int], *, number: int, phase: str, user: int | None, intended: float, outcome: Outcome
) -> tuple[Any, ...]:
    """Return one request as `Recorder.add` takes it; `utc_ns` turns the outcome's times into UTC nanoseconds."""

    def at(moment: float | None) -> int | None:
        return None if moment is None else utc_ns(moment)

    return (
        *(number, phase, user, at(intended), at(outcome.sent), at(outcome.first_byte), at(outcome.first_token)),
        *(at(outcome.done), outcome.ok, outcome.error, outcome.status, outcome.received),
        *(outcome.tokens_in, outcome.tokens_out, outcome.gaps or None, outcome.recall, outcome.retries),
        *(outcome.operation, outcome.sent_bytes, list(outcome.stages.items()) or None),
    )


def stream(shard: int, shards: int) -> str:
    """Return the name of the stream of process `shard` of `shards`."""
    return STREAM if shards == 1 else f"requests-{shard:04d}.arrows"


def finish(directory: Path) -> int:
    """Turn the streams in `directory` into one Parquet file, batch by batch; returns the number of requests.

    Rows stand in the order in which requests ended, one process after another. A stream with a torn end gives what is
    whole of it. Without a stream, or called again, nothing changes. Raises OSError; then the streams are still there.
    """
    streams, target = sorted(directory.glob(_STREAMS)), directory / PARQUET
    made_of, before = _made_of(target)
    if not streams or made_of > len(streams):  # the latter: somebody was killed while removing the streams
        _remove(streams)
        return before
    temporary = directory / f".{PARQUET}.tmp"
    try:
        with temporary.open("wb") as sink:
            with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
                count = sum(_add(each, writer) for each in streams)
                writer.add_key_value_metadata({_MADE_OF: str(len(streams))})
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(directory)
    _remove(streams)
    return count


def first_sent(directory: Path) -> datetime | None:
    """Return when the first request left; None: there is no record of any. Raises OSError."""
    path = directory / PARQUET
    if not path.is_file():
        return None
    # Each row group tells its least, so that no row is read.
    facts = pq.read_metadata(path)
    column = facts.schema.names.index("sent")
    parts = [facts.row_group(index).column(column).statistics for index in range(facts.num_row_groups)]
    least = [part.min_raw for part in parts if part is not None and part.has_min_max]
    return datetime.fromtimestamp(min(least) / 1e9, UTC) if least else None


def _made_of(target: Path) -> tuple[int, int]:
    """Return of how many streams a file was made, and its number of requests."""
    if not target.exists():
        return 0, 0
    found = pq.read_metadata(target)
    return int((found.metadata or {}).get(_MADE_OF.encode(), 1)), int(found.num_rows)


def _remove(streams: list[Path]) -> None:
    for each in streams:
        each.unlink()


def _add(path: Path, writer: pq.ParquetWriter) -> int:
    with path.open("rb") as source:
        return sum(_copy(table, writer) for table in _tables(source))


def _copy(table: pa.Table, writer: pq.ParquetWriter) -> int:
    writer.write_table(table.cast(SCHEMA))
    return int(table.num_rows)


def _tables(source: BinaryIO) -> Iterator[pa.Table]:
    """Join the stream's small batches (two a second) to row groups worth their headers."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in _whole_batches(source):
        held.append(batch)
        rows += batch.num_rows
        if rows >= _BATCH:
            yield pa.Table.from_batches(held).combine_chunks()
            held, rows = [], 0
    if rows:
        yield pa.Table.from_batches(held).combine_chunks()


def _whole_batches(source: BinaryIO) -> Iterator[pa.RecordBatch]:
    # Arrow raises ArrowException or OSError where the stream ends inside a message, because its writer was killed.
    try:
        reader = pa.ipc.open_stream(source)
    except (pa.ArrowException, OSError):
        return
    while True:
        try:
            batch = reader.read_next_batch()
        except (StopIteration, pa.ArrowException, OSError):
            return
        yield batch
