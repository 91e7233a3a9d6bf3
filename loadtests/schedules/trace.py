"""A trace: arrival times that somebody recorded, replayed. One file, CSV or lines of JSON."""

import csv
import hashlib
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from loadtests.schedules.base import CHUNK, Times

USUAL = ("time", "timestamp", "arrival", "arrival_time", "arrived_at", "start_time", "ts")
"""Names of a column or key that are taken for the arrival's time, the first of them that is there."""
_CALENDAR = 1e8
"""Numbers from here on (1973) are seconds since 1970, and as ISO 8601 texts they count from the first of them."""


class TraceError(Exception):
    """A trace cannot be replayed; the text says which file, which line, why, and the mend."""


@lru_cache(maxsize=64)
def read(path: str, column: str | None = None) -> Times:
    """Return the arrival times in a file: seconds from the phase's start, ascending. Raises TraceError.

    CSV: one column of times, or several with a head that names them. JSONL: an object or a number a line. Numbers are
    seconds from the phase's start; calendar times (ISO 8601, or seconds since 1970) count from the first arrival.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise TraceError(f"trace {path} cannot be read: {reason}; check the path, relative to the recipe") from error
    first = next((line.strip() for line in lines if line.strip()), "")
    # A bare number may be either; it means the same in both.
    rows = _jsonl(path, lines, column) if first.startswith("{") else _csv(path, lines, column)
    found = [(number, _seconds(path, number, value)) for number, value in rows]
    if not found:
        raise TraceError(f"trace {path} has no arrivals: give one time a line")
    times = np.array([seconds for _number, seconds in found])
    if times[0] >= _CALENDAR:
        times -= times[0]
    if times[0] < 0:
        raise TraceError(f"trace {path}, line {found[0][0]}: {times[0]:g} is before the phase's start: begin at 0")
    if (back := np.flatnonzero(np.diff(times) < 0)).size:
        number = found[int(back[0]) + 1][0]
        raise TraceError(f"trace {path}, line {number}: earlier than the line before: sort the file by time")
    times.flags.writeable = False  # the cache hands the same array to all
    return times


def length(path: str, column: str | None) -> float:
    """Return how long a trace lasts, in seconds: to its last arrival and one mean gap more. Raises TraceError."""
    times = read(path, column)
    return float(times[-1] + (times[-1] - times[0]) / max(1, len(times) - 1))


def digest(path: str) -> str:
    """Return the file's SHA-256. Raises OSError."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def chunks(path: str, column: str | None, scale: float, duration: float) -> Iterator[Times]:
    """Yield the times of a trace, multiplied by `scale`, as far as they lie within `duration`. Raises TraceError."""
    times = read(path, column) * scale
    times = times[: int(np.searchsorted(times, duration))]
    for start in range(0, len(times), CHUNK):
        yield times[start : start + CHUNK]


def _csv(path: str, lines: list[str], column: str | None) -> Iterator[tuple[int, object]]:
    reader = csv.reader(lines)
    place: int | None = None
    for row in reader:
        if not row or not "".join(row).strip() or row[0].startswith("#"):
            continue
        if place is None:
            head = [cell.strip() for cell in row]
            place = _place(path, head, column)
            if column is not None or not _is_time(head[place]):
                continue
        if place >= len(row):
            raise TraceError(f"trace {path}, line {reader.line_num}: has no column {place + 1}")
        yield reader.line_num, row[place].strip()


def _place(path: str, head: list[str], column: str | None) -> int:
    """Return which column holds the times."""
    if column is not None:
        if column not in head:
            raise TraceError(f"trace {path} has no column {column!r}: its head names {', '.join(head)}")
        return head.index(column)
    if len(head) == 1:
        return 0
    for name in USUAL:
        if name in head:
            return head.index(name)
    raise TraceError(f"trace {path}: which of its {len(head)} columns is the time? name it by `column`")


def _jsonl(path: str, lines: list[str], column: str | None) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise TraceError(f"trace {path}, line {number}: is no JSON ({error})") from error
        if isinstance(value, dict):
            names = USUAL if column is None else (column,)
            name = next((name for name in names if name in value), None)
            if name is None:
                raise TraceError(f"trace {path}, line {number}: has no {' or '.join(names)}: name the key by `column`")
            value = value[name]
        yield number, value


def _seconds(path: str, number: int, value: object) -> float:
    try:
        seconds = _parsed(value)
    except ValueError:
        text = f"trace {path}, line {number}: {str(value)[:40]!r} is no time: write seconds or an ISO 8601 timestamp"
        raise TraceError(text) from None
    return seconds


def _parsed(value: object) -> float:
    """Raise ValueError for what is no time."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        text = str(value)
        try:
            seconds = float(text)
        except ValueError:
            moment = datetime.fromisoformat(text)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds):
        raise ValueError(str(value))
    return seconds


def _is_time(text: str) -> bool:
    try:
        _parsed(text)
    except ValueError:
        return False
    return True
