"""Every request on disk: streamed while the load goes, so that a kill loses a second at most; Parquet at the end."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from runs.records import SCHEMA

STREAM = "requests.arrows"
PARQUET = "requests.parquet"

_PLAIN = pa.schema(
    [pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type, nullable=f.nullable) for f in SCHEMA]
)
"""In the stream words stand as they are: a stream of delta dictionaries is not readable after a torn end."""


class Recorder:
    """Appends requests to an Arrow stream; `flush` makes them readable by others."""

    def __init__(self, directory: Path) -> None:
        self._file = (directory / STREAM).open("wb")
        self._writer = pa.ipc.new_stream(self._file, _PLAIN)
        self._rows: list[tuple[Any, ...]] = []
        self._lock = threading.Lock()

    def add(self, row: tuple[Any, ...]) -> None:
        """Keep one request: the columns of `runs.records.SCHEMA` in their order, times in ns."""
        self._rows.append(row)

    def flush(self) -> None:
        """Write what is kept; for a thread beside the event loop, once or twice a second. Raises OSError."""
        with self._lock:
            rows, self._rows = self._rows, []
            columns = zip(*rows, strict=True) if rows else ([] for _ in _PLAIN)
            arrays = [pa.array(column, f.type) for column, f in zip(columns, _PLAIN, strict=True)]
            self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_PLAIN))
            self._file.flush()

    def close(self) -> None:
        """Write the rest and end the stream. Raises OSError."""
        self.flush()
        self._writer.close()
        self._file.close()


def finish(directory: Path) -> int:
    """Turn the stream in `directory` into Parquet, batch by batch; returns the number of requests.

    A stream with a torn end gives what is whole of it. Without a stream, or called again, nothing changes.
    Raises OSError.
    """
    stream, target = directory / STREAM, directory / PARQUET
    if not stream.exists():
        return int(pq.read_metadata(target).num_rows) if target.exists() else 0
    temporary = directory / f".{PARQUET}.tmp"
    count = 0
    with stream.open("rb") as source, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for batch in _whole_batches(source):
            writer.write_table(pa.Table.from_batches([batch]).cast(SCHEMA))
            count += batch.num_rows
    temporary.replace(target)
    stream.unlink()
    return count


def _whole_batches(source: BinaryIO) -> Iterator[pa.RecordBatch]:
    # Arrow raises ArrowInvalid or OSError where the stream ends inside a message, because its writer was killed.
    try:
        reader = pa.ipc.open_stream(source)
    except (pa.ArrowInvalid, OSError):
        return
    while True:
        try:
            batch = reader.read_next_batch()
        except (StopIteration, pa.ArrowInvalid, OSError):
            return
        yield batch
