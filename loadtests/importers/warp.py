"""`warp`: the operations of MinIO's warp (NAME.csv.zst, tab-separated, or unpacked), or the JSON of its analysis.

The operations are requests with start, first byte and end (RFC 3339 with ns). warp is a closed loop of --concurrent
threads: a thread is our `user`, and becomes free when its operation before has ended, so that is the intended time of
its next one. The JSON holds figures only.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from loadtests.aggregate import Aggregate
from loadtests.importers import base
from loadtests.importers.base import Imported, ImporterError, ImporterKind, Row, Unfit

_WHAT = "warp's NAME.csv.zst, that file unpacked, or the JSON of `warp analyze --json`"
_NEEDED = ("thread", "op", "bytes", "error", "start", "end")
_ZSTD = b"\x28\xb5\x2f\xfd"
_SENDS = frozenset(("PUT", "POST", "APPEND", "PUTPART"))


def read(path: Path) -> Imported:
    """Read operations in their order of ending, or figures. Raises ImporterError."""
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise ImporterError(path, f"cannot be read ({error.strerror or error})", f"give {_WHAT}") from error
    if head.lstrip().startswith(b"{"):
        return Imported(aggregates=_figures(path))
    return Imported(rows=_operations(path, compressed=head.startswith(_ZSTD)))


def _operations(path: Path, *, compressed: bool) -> Iterator[Row]:
    line = 1
    free: dict[tuple[str, int], int] = {}
    threads: dict[tuple[str, int], int] = {}
    try:
        with pa.input_stream(str(path), compression="zstd" if compressed else None) as raw:
            text = io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8", newline="")
            reader = csv.reader(text, delimiter="\t")
            for cells in _cells(reader):
                line = reader.line_num
                row, thread = _row(cells)
                row.user = threads.setdefault(thread, len(threads))
                row.intended = min(row.sent, free.get(thread, row.sent))
                free[thread] = row.done
                yield row
    except (Unfit, csv.Error, UnicodeDecodeError) as error:
        raise ImporterError(path, str(error), f"give {_WHAT}", line) from error
    except (OSError, pa.ArrowException) as error:
        raise ImporterError(path, f"cannot be read ({error})", f"give {_WHAT}") from error


def _cells(reader: Iterator[list[str]]) -> Iterator[dict[str, str]]:
    header = next(reader, [])
    if missing := [name for name in _NEEDED if name not in header]:
        raise Unfit(f"the first line lacks {', '.join(missing)}")
    for cells in reader:
        if cells and not cells[0].startswith("#"):
            if len(cells) != len(header):
                raise Unfit(f"{len(cells)} columns where {len(header)} are named")
            yield dict(zip(header, cells, strict=True))


def _row(cells: Mapping[str, str]) -> tuple[Row, tuple[str, int]]:
    operation, error = cells["op"], cells["error"]
    sent, done = base.iso_ns(cells["start"], "start"), base.iso_ns(cells["end"], "end")
    moved = base.size(_integer(cells["bytes"], "bytes"), "bytes")
    sends = operation in _SENDS
    row = Row(
        sent=sent,
        done=max(sent, done),
        ok=not error,
        first_byte=base.iso_ns(cells["first_byte"], "first_byte") if cells.get("first_byte") else None,
        error="error" if error else None,
        operation=operation,
        sent_bytes=moved if sends else None,
        received=None if sends else moved,
    )
    return row, (cells.get("client_id", ""), _integer(cells["thread"], "thread"))


def _integer(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise Unfit(f"{name} is no number: {text[:60]!r}") from error


def _figures(path: Path) -> list[Aggregate]:
    result = base.document(path, _WHAT)
    try:
        found = base.mapping(result, "the document")
        if isinstance(found.get("operations"), list):
            return [figure for each in found["operations"] for figure in _analysed(base.mapping(each, "operations"))]
        if isinstance(found.get("by_op_type"), dict):
            return [_live(str(name), base.mapping(each, str(name))) for name, each in found["by_op_type"].items()]
    except Unfit as error:
        raise ImporterError(path, str(error), f"give {_WHAT}") from error
    raise ImporterError(path, "has neither `operations` nor `by_op_type`", f"give {_WHAT}")


def _analysed(each: Mapping[str, Any]) -> Iterator[Aggregate]:
    """Read an entry of warp's analysis up to 1.0."""
    if each.get("skipped"):
        return
    through = base.mapping(each.get("throughput"), "throughput")
    seconds = base.number(through.get("measure_duration_millis"), "measure_duration_millis") / 1000.0
    if seconds <= 0:
        raise Unfit(f"measure_duration_millis is {seconds * 1000.0:g}")
    times = base.mapping(each.get("single_sized_requests") or {}, "single_sized_requests")

    def of(name: str) -> float | None:
        return base.number(times[name], name) / 1000.0 if name in times else None

    shares = {"0.5": of("dur_median_millis"), "0.9": of("dur_90_millis"), "0.99": of("dur_99_millis")}
    operations = base.whole(through.get("operations", each.get("n")), "operations", 2**53) or 0
    failed = base.whole(through.get("errors"), "errors", 2**53) or 0
    yield Aggregate(
        operation=str(each.get("type", "operation")),
        time="request time",
        count=max(0, operations - failed),
        failed=failed,
        seconds=seconds,
        bytes=round(base.number(through.get("average_bps", 0), "average_bps") * seconds),
        mean=of("dur_avg_millis"),
        least=of("fastest_millis"),
        most=of("slowest_millis"),
        percentiles={share: value for share, value in shares.items() if value is not None},
    )


def _live(name: str, each: Mapping[str, Any]) -> Aggregate:
    """Read an entry of what warp adds up while it runs (1.0 and later), which has no times of requests."""
    start, end = base.iso_ns(each.get("start_time"), "start_time"), base.iso_ns(each.get("end_time"), "end_time")
    if end <= start:
        raise Unfit(f"{name} ends before it starts")
    total, failed = (base.whole(each.get(key), key, 2**53) or 0 for key in ("total_requests", "total_errors"))
    return Aggregate(
        operation=name,
        count=max(0, total - failed),
        failed=failed,
        seconds=(end - start) / 1e9,
        bytes=base.size(each.get("total_bytes"), "total_bytes"),
        facts={"concurrency": each.get("concurrency")},
    )


IMPORTER = ImporterKind(name="warp", files="csv.zst of operations, or JSON", read=read)
