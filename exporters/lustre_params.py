"""Lustre's parameters by their names (llite.fs-ffff9a1b.stats), wherever they were read, and whose they are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

LNET_STATS = "lnet.stats"
"""Our name for LNet's statistics, which lctl calls just `stats`."""

WANTED: Mapping[str, tuple[str, ...]] = {
    "llite": ("stats", "read_ahead_stats", "kbytestotal", "kbytesfree", "kbytesavail", "filestotal", "filesfree"),
    "osc": ("stats", "rpc_stats", "cur_dirty_bytes", "cur_grant_bytes"),
    "mdc": ("stats", "rpc_stats"),
}
"""The files that are read of each instance of each kind of device."""

SINGLE = ("version", "health_check", "jobid_var")
PATTERNS = (*(f"{kind}.*.{name}" for kind, names in WANTED.items() for name in names), *SINGLE, "stats")
"""What `lctl get_param` is asked for."""

_HEAD = re.compile(r"([A-Za-z0-9_]+(?:\.[^=\s]+)?)=(.*)", re.DOTALL)
_ID = r"[0-9a-f]+|\(_*ptrval_*\)"
"""The number of a mount: an address, or the kernel's stand-in for one that it does not tell."""

_LLITE = re.compile(rf"(.+)-({_ID})")
_TARGET = re.compile(rf"(.+)-((?:OST|MDT)[0-9a-f]{{4,8}})-(?:osc|mdc)-({_ID})")


@dataclass(frozen=True)
class Owner:
    """Whose a parameter is. `mount` changes at each mount; `target` is the OST's or MDT's name, "" for llite."""

    fs: str
    mount: str
    target: str = ""


def owner(kind: str, instance: str) -> Owner | None:
    """Return whose an instance of `kind` is; None for one of a server (fs-OST0000-osc-MDT0000)."""
    if kind == "llite":
        found = _LLITE.fullmatch(instance)
        return Owner(found[1], found[2]) if found else None
    found = _TARGET.fullmatch(instance)
    return Owner(found[1], found[3], found[2]) if found else None


def split(name: str) -> tuple[str, str, str] | None:
    """Return kind, instance and file of a parameter that is wanted; None for another."""
    kind, _, rest = name.partition(".")
    instance, _, leaf = rest.rpartition(".")
    return (kind, instance, leaf) if leaf in WANTED.get(kind, ()) and instance else None


def parse_get_param(text: str) -> dict[str, str]:
    """Return the wanted parameters of what `lctl get_param` prints: `name=value`, or `name=` and lines after it."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for row in text.splitlines():
        if row.startswith("error:"):
            continue
        head = _HEAD.fullmatch(row)
        if head is None:
            lines.append(row)
            continue
        name = LNET_STATS if head[1] == "stats" else head[1]
        lines = [head[2]] if head[2] else []
        if name in (*SINGLE, LNET_STATS) or split(name):
            found.setdefault(name, lines)
    return {name: "\n".join(part) for name, part in found.items()}
