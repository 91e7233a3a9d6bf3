"""`k6`: the points of `--out csv=FILE` and of `--out json=FILE`.

One HTTP request is nine points with one time stamp, its end. Times in k6's files are milliseconds. `http_req_duration`
is sending + waiting + receiving, without the time for a connection, which is in `http_req_blocked`; so a request left
at end - blocked - duration, and its first byte came at end - receiving.

k6 does not tell when a request was to leave: `intended` is unknown, and latency is not corrected for coordinated
omission, but for what our own scripts add.
"""

import csv
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from loadtests.importers import base
from loadtests.importers.base import Imported, ImporterError, ImporterKind, Row, Unfit

_WHAT = "what `k6 run --out csv=FILE` or `--out json=FILE` writes"
_COLUMNS = ("metric_name", "timestamp", "metric_value")
NUMBER, USER = "dashcam", "dashcam_user"
"""Metadata of our own scripts: number of the request, and who sends it."""
ANSWERS = "dashcam_answers"
"""Their counter that comes once a request, when its answer has been checked; `outcome` is ok or the failure."""
_EXTRAS = frozenset(("dashcam_tokens_in", "dashcam_tokens_out", "dashcam_received_bytes"))
_VALUES = _EXTRAS | {"http_req_duration", "http_req_blocked", "http_req_receiving"}
_TAGGED = frozenset(("http_reqs", ANSWERS))
_WANTED = _VALUES | _TAGGED | {"dropped_iterations"}
_NUMBER = re.compile(r"[0-9]{1,15}")
UNCORRECTED = (
    "k6 does not tell when a request was to leave: latency counts from the sending and is not corrected for "
    "coordinated omission"
)


@dataclass(frozen=True)
class Point:
    """One sample of k6: `at` in UTC ns, times in ms."""

    metric: str
    at: int
    value: float
    tags: Mapping[str, str]
    metadata: Mapping[str, str]


@dataclass
class _Open:
    """A request some of whose points have come."""

    values: dict[str, float] = field(default_factory=dict)
    at: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


class Joiner:
    """Joins points to requests. Those of our own scripts carry numbers; others are told apart by their order."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self.dropped = 0

    def add(self, point: Point) -> Iterator[tuple[int | None, Row]]:
        """Take a point; yield each request that is whole by it, with its number where it has one."""
        name, key = point.metric, point.metadata.get(NUMBER, "")
        if name == "dropped_iterations":
            self.dropped += round(point.value)
        elif name == "http_reqs":
            if not key:
                yield from self._close("")
            self._open[key] = _Open({}, point.at, {**point.tags, **point.metadata})
        elif name in _VALUES:
            if key in self._open:
                self._open[key].values[name] = point.value
        elif name == ANSWERS and key in self._open:
            yield from self._close(key, point.tags.get("outcome", "ok"))

    def rest(self) -> Iterator[tuple[int | None, Row]]:
        """Yield what is left at the end. A request of our scripts whose answer was never checked has failed."""
        for key in tuple(self._open):
            yield from self._close(key, "interrupted" if key else None)

    def _close(self, key: str, outcome: str | None = None) -> Iterator[tuple[int | None, Row]]:
        found = self._open.pop(key, None)
        if found is not None:
            yield (int(key) if _NUMBER.fullmatch(key) else None), _row(found, outcome)


def _row(found: _Open, outcome: str | None) -> Row:
    values, tags = found.values, found.tags

    def ns(name: str) -> int:
        return base.nanoseconds(max(0.0, values.get(name, 0.0)), "ms", name)

    status, user = _count(tags.get("status", "")), _count(tags.get(USER, ""))
    # A script that checks answers has the last word; of others k6 itself says what was expected.
    fine = outcome == "ok" if outcome else tags.get("expected_response", "true") == "true"
    error = None if fine else _kind(tags, status) or outcome or "unexpected"
    return Row(
        sent=found.at - ns("http_req_duration") - ns("http_req_blocked"),
        done=found.at,
        ok=error is None,
        first_byte=found.at - ns("http_req_receiving") if status else None,
        error=error,
        status=status or None,
        user=user,
        operation=tags.get("name") or tags.get("method") or None,
        tokens_in=base.whole(values.get("dashcam_tokens_in"), "dashcam_tokens_in"),
        tokens_out=base.whole(values.get("dashcam_tokens_out"), "dashcam_tokens_out"),
        received=base.size(values.get("dashcam_received_bytes"), "dashcam_received_bytes"),
    )


def _count(text: str) -> int | None:
    """Read a small number; None for none. Raises Unfit."""
    return base.whole(int(text), "a tag", 2**15 - 1) if _NUMBER.fullmatch(text) else None


_CODES = {1010: "refused", 1020: "bad_url", 1050: "timeout", 1201: "reset", 1211: "timeout", 1212: "refused"}
"""https://grafana.com/docs/k6/latest/javascript-api/error-codes/"""


def _kind(tags: Mapping[str, str], status: int | None) -> str | None:
    """Name the failure of a request in our words, None for none."""
    code = _count(tags.get("error_code", ""))
    if status and status >= 400:
        return f"http_{status}"
    if not code:
        return None
    if code in _CODES:
        return _CODES[code]
    hundreds = {11: "dns", 13: "tls", 16: "protocol", 17: "protocol"}
    return "reset" if code in {1220, 1221} else hundreds.get(code // 100, "protocol")


def csv_points(header: list[str], rows: Iterable[list[str]]) -> Iterator[Point]:
    """Yield the points of CSV rows under `header` that tell of requests: half of them. Raises Unfit."""
    if not set(_COLUMNS) <= set(header):
        raise Unfit(f"the first line lacks {', '.join(name for name in _COLUMNS if name not in header)}")
    metric, at, value = (header.index(name) for name in _COLUMNS)
    metadata = header.index("metadata") if "metadata" in header else None
    for cells in rows:
        if len(cells) != len(header):
            raise Unfit(f"{len(cells)} columns where {len(header)} are named")
        name = cells[metric]
        if name in _WANTED:
            tags: dict[str, str] = {}
            if name in _TAGGED:
                tags = {column: cell for column, cell in zip(header, cells, strict=True) if cell}
                tags |= _pairs(tags.pop("extra_tags", ""))
            known = _pairs(cells[metadata]) if metadata is not None else {}
            yield Point(name, _moment(cells[at]), _float(cells[value]), tags, known)


def _pairs(text: str) -> dict[str, str]:
    """Read a=b&c=d."""
    return dict(parse_qsl(text, keep_blank_values=True)) if text else {}


def _moment(text: str) -> int:
    """Read a time stamp of any of k6's formats: seconds, ms, µs or ns since 1970, or RFC 3339."""
    if not re.fullmatch(r"[0-9]{9,19}", text):
        return base.iso_ns(text, "timestamp")
    power = 3 * ((len(text) - 8) // 3)  # 10 digits are seconds, 13 ms, 16 µs, 19 ns, until the year 2286
    return base.epoch_ns(int(text) * 10 ** max(0, 9 - power), "timestamp")


def _float(text: str) -> float:
    try:
        return base.number(float(text), "metric_value")
    except ValueError as error:
        raise Unfit(f"metric_value is no number: {text[:60]!r}") from error


def _json_point(line: dict[str, Any]) -> Point | None:
    if line.get("type") != "Point":
        return None
    data = base.mapping(line.get("data"), "data")
    tags = {str(k): str(v) for k, v in base.mapping(data.get("tags") or {}, "data.tags").items()}
    metadata = {str(k): str(v) for k, v in base.mapping(data.get("metadata") or {}, "data.metadata").items()}
    at = base.iso_ns(data.get("time"), "data.time")
    return Point(str(line.get("metric", "")), at, base.number(data.get("value"), "data.value"), tags, metadata)


def _points(path: Path) -> Iterator[Point]:
    place = 1

    def texts(numbered: Iterable[tuple[int, str]]) -> Iterator[str]:
        nonlocal place
        for place, text in numbered:  # noqa: B007 - told in the error
            yield text

    try:
        with base.opened(path) as stream:
            head = stream.read(64).lstrip()
        if head.startswith(b"{"):
            for place, value in base.json_lines(path, _WHAT):  # noqa: B007 - told in the error
                if (point := _json_point(value)) is not None:
                    yield point
            return
        rows = csv.reader(texts(base.lines(path, _WHAT)))
        yield from csv_points(next(rows, []), rows)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImporterError(path, f"cannot be read ({reason})", f"give {_WHAT}") from error
    except (Unfit, csv.Error) as error:
        raise ImporterError(path, str(error), f"give {_WHAT}", place) from error


def read(path: Path) -> Imported:
    """Read a file of points; requests in the order of their ends. Raises ImporterError."""
    joiner = Joiner()
    imported = Imported(notes={"latency": UNCORRECTED})

    def rows() -> Iterator[Row]:
        for point in _points(path):
            yield from (row for _, row in joiner.add(point))
        yield from (row for _, row in joiner.rest())
        imported.dropped = joiner.dropped

    imported.rows = rows()
    return imported


IMPORTER = ImporterKind(name="k6", files="points of --out csv or --out json", read=read)
