"""Parsers of /proc/PID/*, formats as in proc(5). Total functions: what cannot be read is None, never a wrong number."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporters.figures import Parsed, natural

_STAT_FIELDS = 22
"""From the third field (state) to the 24th (rss)."""


@dataclass(frozen=True)
class Stat:
    """/proc/PID/stat. Times in clock ticks, `start` since boot; `virtual` in bytes, `resident` in pages.

    The `children_` figures are of children that ended and were waited for, theirs included.
    """

    state: str
    parent: int
    major_faults: int
    children_major_faults: int
    user: int
    system: int
    children_user: int
    children_system: int
    threads: int
    start: int
    virtual: int
    resident: int

    @property
    def zombie(self) -> bool:
        """Whether it has ended and only waits to be waited for."""
        return self.state in {"Z", "X", "x"}


@dataclass(frozen=True)
class Io:
    """/proc/PID/io in bytes, waited-for children included: `chars` by system calls, `bytes` from and to storage."""

    read_chars: int
    write_chars: int
    read_bytes: int
    write_bytes: int


def parse_stat(text: str) -> Stat | None:
    """Read /proc/PID/stat. The name in it may hold blanks and parentheses: fields count from the last `)`."""
    _, closing, tail = text.rpartition(")")
    fields = tail.split()
    if not closing or len(fields) < _STAT_FIELDS or len(fields[0]) != 1 or not fields[0].isalpha():
        return None

    def field(number: int) -> int:
        """Return field `number` as proc(5) counts; -1 where it is no natural number."""
        value = natural(fields[number - 3])
        return -1 if value is None else value

    stat = Stat(
        state=fields[0],
        parent=field(4),
        major_faults=field(12),
        children_major_faults=field(13),
        user=field(14),
        system=field(15),
        # Old kernels wrote these two as signed numbers that could wrap; a negative one is no time.
        children_user=field(16),
        children_system=field(17),
        threads=field(20),
        start=field(22),
        virtual=field(23),
        resident=field(24),
    )
    return None if -1 in vars(stat).values() else stat


def parse_io(text: str) -> Io | None:
    """Read /proc/PID/io."""
    found = _named(text)
    try:
        return Io(found["rchar"], found["wchar"], found["read_bytes"], found["write_bytes"])
    except KeyError:
        return None


def parse_switches(text: str) -> tuple[int, int] | None:
    """Return the voluntary and the involuntary context switches of /proc/PID/task/TID/status."""
    found = _named(text)
    try:
        return found["voluntary_ctxt_switches"], found["nonvoluntary_ctxt_switches"]
    except KeyError:
        return None


def parse_open_files_limit(text: str) -> Parsed[int | None]:
    """Return the soft limit of open files of /proc/PID/limits; None where there is none."""
    for line in text.splitlines():
        if line.startswith("Max open files "):
            soft = line.removeprefix("Max open files ").split()[:1]
            if soft == ["unlimited"]:
                return Parsed(None)
            limit = natural(soft[0]) if soft else None
            return Parsed(limit, malformed=int(limit is None))
    return Parsed(None, malformed=1)


def parse_environment(content: bytes) -> Mapping[bytes, bytes]:
    """Return the variables of /proc/PID/environ; of a name that is there twice the first counts, as for getenv(3)."""
    found: dict[bytes, bytes] = {}
    for item in content.split(b"\0"):
        name, equals, value = item.partition(b"=")
        if equals:
            found.setdefault(name, value)
    return found


def parse_boot_time(text: str) -> int | None:
    """Return when the system was booted, seconds since the epoch, of /proc/stat."""
    for line in text.splitlines():
        if line.startswith("btime "):
            return natural(line.removeprefix("btime ").strip())
    return None


def _named(text: str) -> dict[str, int]:
    """Return the `name: number` lines."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        number = natural(value.strip()) if colon else None
        if number is not None:
            found.setdefault(name, number)
    return found
