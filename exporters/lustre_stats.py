"""Lustre's statistics files as its clients of 2.5 to 2.16 write them. Total functions; what cannot be read is counted.

Formats: lprocfs_stats_seq_show and the *_rpc_stats_seq_show functions of Lustre's sources.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporters.figures import Parsed, natural

_LINE = re.compile(r"(\S.*?)\s+(\S+)\s+samples\s+\[([^\[\]]*)\]\s*(.*)")
_TIME = re.compile(r"(snapshot_time|start_time|elapsed_time):?\s+([0-9]{1,12})[.:](\s*[0-9]{1,9})(?:\s.*)?")
"""Some versions pad what is after the point with blanks. Old ones, with microseconds, do not pad it, but they have no
start_time, which alone is used."""

_PER_SECOND = {"usec": 1e6, "usecs": 1e6, "nsec": 1e9, "nsecs": 1e9, "msec": 1e3, "msecs": 1e3, "sec": 1.0, "secs": 1.0}
_SUM = 2
"""Index of the sum in what follows the unit: min, max, sum, sum of squares, of which any tail may be missing."""

_LARGEST_SUM = 2**63 - 1
_DIRECTIONS = frozenset({"read", "write", "modify"})
_TABLE = re.compile(r"\b(?:rpcs|count)\s+[%|]")
"""The head of a table, `rpcs   % cum %`: in some versions `%% cum %%`, and `count` for the table of latencies."""

_ROW = re.compile(r"\s*([0-9]{1,9})([KM]?):\s+(.*)")
_SUFFIX = {"": 1, "K": 2**10, "M": 2**20}
_STATE = re.compile(r"(?:(read|write|modify)[ _]RPCs[ _]in[ _]flight|pending (read|write) pages):\s*(\S+)\s*")
_LNET_FIELDS = (
    "msgs_alloc",
    "msgs_max",
    "errors",
    "send_count",
    "recv_count",
    "route_count",
    "drop_count",
    "send_length",
    "recv_length",
    "route_length",
    "drop_length",
)
_KNOWN_LNET = frozenset(_LNET_FIELDS)


@dataclass(frozen=True)
class Line:
    """One line of a stats file. `total` is the sum in `unit`, None where the line has none."""

    samples: int
    unit: str
    total: int | None

    @property
    def seconds(self) -> float | None:
        """The sum in seconds; None where the unit is no time or there is no sum."""
        parts = _PER_SECOND.get(self.unit)
        return None if parts is None or self.total is None else self.total / parts


@dataclass(frozen=True)
class Stats:
    """A stats file: its lines by name, and since when it counts (seconds since the epoch; new versions only)."""

    lines: Mapping[str, Line] = field(default_factory=dict)
    start_time: float | None = None


@dataclass(frozen=True)
class RpcStats:
    """An rpc_stats file, by direction (`read`, `write`, `modify`); `pages` by direction and pages of an RPC."""

    in_flight: Mapping[str, int] = field(default_factory=dict)
    pending_pages: Mapping[str, int] = field(default_factory=dict)
    pages: Mapping[tuple[str, int], int] = field(default_factory=dict)


def parse_stats(text: str) -> Parsed[Stats | None]:
    """Read a stats or read_ahead_stats file; None where the statistics are switched off.

    A name may hold blanks (read-ahead events of old versions). Of a line that is there twice the first counts.
    """
    lines: dict[str, Line] = {}
    start: float | None = None
    malformed = 0
    rows = [row for row in text.splitlines() if row.strip()]
    if rows and rows[0].strip() == "disabled":
        return Parsed(None)
    for row in rows:
        if timed := _TIME.fullmatch(row.strip()):
            if timed[1] == "start_time":
                start = float(f"{timed[2]}.{timed[3].replace(' ', '0')}")
            continue
        found = _LINE.fullmatch(row.strip())
        samples = natural(found[2]) if found else None
        if found is None or samples is None or found[1] in lines:
            malformed += 1
            continue
        total, bad = _total(found[4].split())
        malformed += bad
        lines[found[1]] = Line(samples, found[3], total)
    return Parsed(Stats(lines, start), malformed)


def _total(tail: list[str]) -> tuple[int | None, int]:
    """Return the sum, and 1 if something stands in its place that is none."""
    if len(tail) <= _SUM:
        return None, int(any(natural(item) is None for item in tail))
    total = natural(tail[_SUM])
    # The kernel's sum is signed, and one that ran over is no sum any more. The squares after it do run over.
    return (total, 0) if total is not None and total < _LARGEST_SUM else (None, 1)


def parse_rpc_stats(text: str) -> Parsed[RpcStats | None]:
    """Read an rpc_stats file of osc or mdc; None where the statistics are switched off.

    Of its tables only the pages of each RPC are kept. A table's directions are those in the line above its head.
    """
    if text.strip().startswith("disabled"):
        return Parsed(None)
    in_flight: dict[str, int] = {}
    pending: dict[str, int] = {}
    pages: dict[tuple[str, int], int] = {}
    malformed = 0
    directions: list[str] = []
    wanted = known = False
    before = ""
    for row in text.splitlines():
        if state := _STATE.fullmatch(row):
            known = True
            value = natural(state[3])
            malformed += value is None
            if value is not None:
                (in_flight if state[1] else pending).setdefault(state[1] or state[2], value)
        elif _TABLE.search(row):
            known = True
            wanted = row.startswith("pages per rpc")
            words = before.split()
            directions = words if set(words) <= _DIRECTIONS else []
        elif not row.strip() or set(row.split()) <= _DIRECTIONS:
            wanted = False
        elif wanted:
            malformed += _keep_row(row, directions, pages)
        before = row
    return Parsed(RpcStats(in_flight, pending, pages), malformed + int(not known and bool(text.strip())))


def _keep_row(row: str, directions: list[str], pages: dict[tuple[str, int], int]) -> int:
    """Put a row of the table of pages into `pages`; returns how many of its values could not be read."""
    found = _ROW.fullmatch(row)
    cells = found[3].split("|") if found else []
    if found is None or len(cells) != len(directions):
        return 1
    size = int(found[1]) * _SUFFIX[found[2]]
    bad = 0
    for direction, cell in zip(directions, cells, strict=True):
        count = natural(cell.split()[0]) if cell.strip() else None
        bad += count is None or (direction, size) in pages
        if count is not None:
            pages.setdefault((direction, size), count)
    return bad


def parse_lnet(text: str) -> Parsed[Mapping[str, int]]:
    """Read LNet's statistics: the line of eleven numbers in its `stats` file, or the YAML of `lnetctl stats show`."""
    words = text.split()
    numbers = [number for number in map(natural, words) if number is not None]
    if len(numbers) == len(words) == len(_LNET_FIELDS):
        return Parsed(dict(zip(_LNET_FIELDS, numbers, strict=True)))
    found: dict[str, int] = {}
    malformed = 0
    for row in text.splitlines():
        name, _, value = (part.strip() for part in row.partition(":"))
        if name in _KNOWN_LNET and name not in found:
            number = natural(value)
            malformed += number is None
            if number is not None:
                found[name] = number
    return Parsed(found, malformed + int(not found and bool(words)))


def parse_number(text: str) -> Parsed[int | None]:
    """Read a file that holds one number."""
    number = natural(text.strip())
    return Parsed(number, int(number is None))


def parse_version(text: str) -> str:
    """Return Lustre's version: the file is the version, or has it in its line `lustre:`."""
    rows = text.split("\n")
    named = [row.partition(":")[2].strip() for row in rows if row.startswith("lustre:")]
    return (named or [rows[0].strip()])[0][:64]
