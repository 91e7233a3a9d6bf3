"""Parsers of the files of a control group. Total functions: what cannot be read is left out and counted.

Formats: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst, Documentation/accounting/psi.rst of the kernel.
"""

import re
from collections.abc import Mapping

from exporters.figures import Parsed, natural

UNLIMITED_V1 = 2**62
"""v1 writes "no limit" as the largest multiple of the page size below 2^63; limits from here on are none."""

_DEVICE = re.compile(r"[0-9]{1,10}:[0-9]{1,10}", re.ASCII)
_RESOURCE_LINE = re.compile(r"(some|full)((?: [a-z0-9]+=[0-9.]+)+)", re.ASCII)


def parse_limit(text: str) -> Parsed[int | None]:
    """Read a limit or another single number; `max`, -1, and v1's huge numbers are None: no limit."""
    word = text.strip()
    if word in {"max", "-1"}:
        return Parsed(None)
    number = natural(word)
    if number is None:
        return Parsed(None, malformed=1)
    return Parsed(number if number < UNLIMITED_V1 else None)


def parse_number(text: str) -> Parsed[int | None]:
    """Read a file that holds one number."""
    number = natural(text.strip())
    return Parsed(number, malformed=int(number is None))


def parse_table(text: str) -> Parsed[Mapping[str, int]]:
    """Read lines of `name number`, as in cpu.stat, memory.stat, memory.events, cpuacct.stat."""
    found: dict[str, int] = {}
    malformed = 0
    for line in text.splitlines():
        words = line.split()
        number = natural(words[1]) if len(words) == 2 else None
        if number is None or words[0] in found:
            malformed += 1
        else:
            found[words[0]] = number
    return Parsed(found, malformed)


def parse_quota(text: str) -> Parsed[float | None]:
    """Read v2's cpu.max, `quota period` in microseconds: cores; None where there is no quota."""
    words = text.split()
    if len(words) == 2 and words[0] == "max" and natural(words[1]) is not None:
        return Parsed(None)
    quota, period = (natural(words[0]), natural(words[1])) if len(words) == 2 else (None, None)
    if not quota or not period:
        return Parsed(None, malformed=1)
    return Parsed(quota / period)


def parse_cpus(text: str) -> Parsed[int | None]:
    """Count the CPUs of a list such as `0-3,8` (cpuset(7)); None for an empty list."""
    cpus: set[range] = set()
    for part in text.strip().split(",") if text.strip() else ():
        low, dash, high = part.partition("-")
        first = natural(low)
        last = natural(high) if dash else first
        if first is None or last is None or last < first or last > 2**20:
            return Parsed(None, malformed=1)
        cpus.add(range(first, last + 1))
    return Parsed(len(set().union(*cpus)) or None)


def parse_pressure(text: str) -> Parsed[Mapping[str, int]]:
    """Read a PSI file: stalled microseconds by kind (some, full)."""
    found: dict[str, int] = {}
    malformed = 0
    for line in text.splitlines():
        match = _RESOURCE_LINE.fullmatch(line.strip())
        pairs = dict(pair.split("=") for pair in match[2].split()) if match else {}
        total = natural(pairs.get("total", ""))
        if match is None or total is None or match[1] in found:
            malformed += 1
        else:
            found[match[1]] = total
    return Parsed(found, malformed)


def parse_io_v2(text: str) -> Parsed[Mapping[str, tuple[int, int]]]:
    """Read io.stat: bytes read and written by device (major:minor). A device without figures was not used.

    Several kernels from 5.x on write such devices without a line feed after them, before the one that has figures.
    """
    found: dict[str, tuple[int, int]] = {}
    malformed = 0
    for line in text.splitlines():
        words = line.split()
        devices = [word for word in words if "=" not in word]
        pairs = dict(word.partition("=")[::2] for word in words[len(devices) :])
        if not words or not all(map(_DEVICE.fullmatch, devices)) or "" in pairs.values():
            malformed += 1
            continue
        # The topmost group has lines of io.cost alone: cost.vrate=100.00.
        if not {"rbytes", "wbytes"} & pairs.keys():
            malformed += not devices
            continue
        read, written = natural(pairs.get("rbytes", "")), natural(pairs.get("wbytes", ""))
        if not devices or read is None or written is None or devices[-1] in found:
            malformed += 1
        else:
            found[devices[-1]] = read, written
    return Parsed(found, malformed)


def parse_io_v1(text: str) -> Parsed[Mapping[str, tuple[int, int]]]:
    """Read blkio.throttle.io_service_bytes: bytes read and written by device, from `8:0 Read 4096` and the like."""
    found: dict[str, dict[str, int]] = {}
    malformed = 0
    for line in text.splitlines():
        words = line.split()
        number = natural(words[-1]) if words else None
        if number is not None and len(words) == 2 and words[0] == "Total":
            continue
        if number is None or len(words) != 3 or not _DEVICE.fullmatch(words[0]):
            malformed += 1
        else:
            found.setdefault(words[0], {}).setdefault(words[1], number)
    whole = {
        name: (kinds["Read"], kinds["Write"]) for name, kinds in found.items() if kinds.keys() >= {"Read", "Write"}
    }
    return Parsed(whole, malformed + len(found) - len(whole))
