"""What an importer gives: requests in our columns, or figures of many operations where a tool keeps no requests."""

import gzip
import io
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from loadtests.aggregate import Aggregate

_EARLIEST, _LATEST = 946_684_800 * 10**9, 4_102_444_800 * 10**9
"""UTC ns of the years 2000 and 2100: a moment outside is of another unit or another clock."""
_WHOLE_FILE = 2 * 2**30
"""Bytes of a document that is read as a whole."""


class ImporterError(Exception):
    """A file is not what its tool writes; the text names file, line and mend."""

    def __init__(self, path: Path, problem: str, mend: str, line: int | None = None) -> None:
        place = f"{path}:{line}" if line else str(path)
        super().__init__(f"{place}: {problem}: {mend}")


class Unfit(ValueError):  # noqa: N818 - becomes an ImporterError where file and line are known
    """A value is not what its tool writes."""


@dataclass
class Row:
    """A request as another tool saw it; columns as in `runs.records`, moments in UTC nanoseconds.

    `intended` is None where the tool does not tell when a request was to leave; its column then holds `sent`.
    """

    sent: int
    done: int
    ok: bool
    intended: int | None = None
    first_byte: int | None = None
    first_token: int | None = None
    error: str | None = None
    status: int | None = None
    received: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    gaps: list[float] | None = None
    recall: float | None = None
    operation: str | None = None
    sent_bytes: int | None = None
    user: int | None = None
    stages: dict[str, float] = field(default_factory=dict)

    def columns(self, number: int, phase: str) -> tuple[Any, ...]:
        """Return the row as `loadtests.records.Recorder.add` takes it."""
        intended = self.sent if self.intended is None else self.intended
        return (
            *(number, phase, self.user, intended, self.sent, self.first_byte, self.first_token, self.done),
            *(self.ok, self.error, self.status, self.received, self.tokens_in, self.tokens_out, self.gaps or None),
            *(self.recall, 0, self.operation, self.sent_bytes, list(self.stages.items()) or None),
        )


@dataclass
class Imported:
    """What one file holds. `rows` is read once, as it is needed, and raises ImporterError on the way.

    `notes` say what a reader must know of the tool's definitions; `dropped` counts what it did not send in time.
    """

    rows: Iterable[Row] = ()
    aggregates: Sequence[Aggregate] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    dropped: int = 0


@dataclass(frozen=True)
class ImporterKind:
    """One file of the folder offers one as `IMPORTER`.

    `read` takes the path of a file and raises ImporterError for one that is not of its kind.
    """

    name: str
    files: str
    read: Callable[[Path], Imported]


def document(path: Path, what: str) -> Any:
    """Return a JSON document. Raises ImporterError; `what` is the tool's word for the file."""
    try:
        if path.stat().st_size > _WHOLE_FILE:
            raise ImporterError(path, "is larger than 2 GiB", "split the benchmark into several")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ImporterError(path, f"cannot be read ({error.strerror or error})", f"give the path of {what}") from error
    except json.JSONDecodeError as error:
        raise ImporterError(path, f"is not JSON ({error.msg})", f"give {what}", error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise ImporterError(path, f"is not JSON ({error})", f"give {what}") from error


def opened(path: Path) -> BinaryIO:
    """Open a file to read, unpacked where its name ends in .gz. Raises OSError."""
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def lines(path: Path, what: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text that hold something, with their numbers. Raises ImporterError."""
    try:
        with opened(path) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImporterError(path, f"cannot be read ({reason})", f"give the path of {what}") from error
    except UnicodeDecodeError as error:
        raise ImporterError(path, "is not UTF-8 text", f"give {what}; is it still compressed?") from error


def json_lines(path: Path, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file that has one a line, with their numbers. Raises ImporterError."""
    for number, line in lines(path, what):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            mend = f"give {what}; a last line that is cut off may be removed"
            raise ImporterError(path, "holds a line that is not JSON", mend, number) from error
        if not isinstance(value, dict):
            raise ImporterError(path, "holds a line that is no JSON object", f"give {what}", number)
        yield number, value


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object. Raises Unfit."""
    if not isinstance(value, dict):
        raise Unfit(f"{name} is no object")
    return value


def number(value: Any, name: str) -> float:
    """Return `value` if it is a finite number. Raises Unfit."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Unfit(f"{name} is no number: {str(value)[:60]!r}")
    return float(value)


def whole(value: Any, name: str, most: int = 2**31 - 1) -> int | None:
    """Return a count of at most `most`, None for none. Raises Unfit."""
    if value is None:
        return None
    found = number(value, name)
    if not 0 <= found <= most:
        raise Unfit(f"{name} is no count up to {most}: {found:g}")
    return int(found)


def size(value: Any, name: str) -> int | None:
    """Return a number of bytes, None for none. Raises Unfit."""
    return whole(value, name, 2**53)


def nanoseconds(value: Any, unit: str, name: str) -> int:
    """Return a duration in whole nanoseconds; `unit` as tools write it. Raises Unfit."""
    scale = _SCALES.get(unit)
    if scale is None:
        raise Unfit(f"{name} is in {unit!r}, which is no unit of time: {', '.join(_SCALES)}")
    found = number(value, name) * scale
    if not -_LONGEST <= found <= _LONGEST:
        raise Unfit(f"{name} lasts longer than a year")
    return round(found)


_SCALES = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "sec": 10**9}
_LONGEST = 366 * 86400 * 10**9


def epoch_ns(value: float, name: str) -> int:
    """Return a moment given in nanoseconds of UTC. Raises Unfit for what cannot be one."""
    if not _EARLIEST <= value <= _LATEST:
        raise Unfit(f"{name} is no time of day: {str(value)[:60]}")
    return int(value)


def epoch_seconds(value: Any, name: str) -> int:
    """Return a moment given in seconds of UTC as nanoseconds. Raises Unfit."""
    # A float of seconds since 1970 is right to a quarter of a microsecond.
    return epoch_ns(round(number(value, name) * 1e6) * 1000, name)


def iso_ns(text: Any, name: str) -> int:
    """Return an RFC 3339 moment, with up to nine digits of a second, as UTC nanoseconds. Raises Unfit."""
    try:
        head, dot, tail = str(text).strip().replace("Z", "+00:00").partition(".")
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))] if dot else ""
        moment = datetime.fromisoformat(head + tail[len(digits) :])
    except ValueError as error:
        raise Unfit(f"{name} is no RFC 3339 time: {str(text)[:60]!r}") from error
    if moment.tzinfo is None:
        raise Unfit(f"{name} has no time zone: {str(text)[:60]!r}")
    seconds = round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return epoch_ns(seconds * 10**9 + int(digits.ljust(9, "0")[:9] or 0), name)
