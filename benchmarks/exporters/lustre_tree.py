"""A Lustre client's files, made up: laid out as by 2.12 to 2.16, in sysfs and debugfs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

OSTS, MDTS = 8, 2
"""Targets of each file system."""

_OPERATIONS = (
    *("open", "close", "seek", "getattr", "readdir", "inode_permission", "ioctl", "mmap", "page_fault", "fsync"),
    *("setattr", "truncate", "create", "link", "unlink", "symlink", "mkdir", "rmdir", "mknod", "rename", "statfs"),
    *("setxattr", "getxattr", "listxattr", "removexattr", "fallocate"),
)
_READ_AHEAD = (
    *("hits", "misses", "readpage not consecutive", "miss inside window", "failed grab_cache_page"),
    *("read but discarded", "zero size window", "read-ahead to EOF", "hit max r-a issue", "failed to reach end"),
    "async readahead",
)
_CALLS = ("ost_read", "ost_write", "ost_setattr", "ost_punch", "ost_statfs", "ost_sync", "ldlm_cancel", "obd_ping")
_BUSY = 6
"""Of each list, so many from its beginning grow from moment to moment; the others were used once and stand still."""

_SINGLE = {"version": "2.14.0_ddn148\n", "health_check": "healthy\n", "jobid_var": "procname_uid\n"}
_LNET = "0 39 0 1110532 1110512 0 11 261865376 254091008 0 4832\n"


@dataclass
class LustreTree:
    """The files below ROOT/sys of a client that has `mounts` file systems."""

    root: Path
    mounts: int
    _moment: int = field(default=0, init=False)

    def write(self) -> None:
        """Write all of them."""
        self._write("fs/lustre", _SINGLE)
        self._write("kernel/debug/lnet", {"stats": _LNET})
        for fs, instance in self._each():
            self._write(f"fs/lustre/llite/{fs}-{instance}", _capacity())
            for kind, device in _devices(fs, instance):
                debts = {"cur_dirty_bytes": "1048576\n", "cur_grant_bytes": "1880252416\n"} if kind == "osc" else {}
                self._write(f"fs/lustre/{device}", debts)
        self.advance()

    def advance(self) -> None:
        """Write what has grown since the last time: a program reads and writes on all mounts."""
        self._moment += 1
        for fs, instance in self._each():
            self._write(f"kernel/debug/lustre/llite/{fs}-{instance}", _llite(self._moment))
            for kind, device in _devices(fs, instance):
                files = {"stats": _device_stats(self._moment), "rpc_stats": _rpc_stats(kind, self._moment)}
                self._write(f"kernel/debug/lustre/{device}", files)

    def _each(self) -> list[tuple[str, str]]:
        return [(f"fs{mount}", f"ffff8b90434{mount:04x}0") for mount in range(self.mounts)]

    def _write(self, folder: str, files: Mapping[str, str]) -> None:
        path = self.root / "sys" / folder
        path.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (path / name).write_text(text)


def _devices(fs: str, instance: str) -> list[tuple[str, str]]:
    return [
        (kind, f"{kind}/{fs}-{word}{target:04x}-{kind}-{instance}")
        for kind, word, count in (("osc", "OST", OSTS), ("mdc", "MDT", MDTS))
        for target in range(count)
    ]


def _capacity() -> dict[str, str]:
    numbers = (283010362368, 283005468672, 268741226496, 7416121774, 7395821023)
    names = ("kbytestotal", "kbytesfree", "kbytesavail", "filestotal", "filesfree")
    return {name: f"{number}\n" for name, number in zip(names, numbers, strict=True)}


def _head(moment: int) -> str:
    return (
        f"snapshot_time             {1749630724 + moment}.585904599 secs.nsecs\n"
        "start_time                1748858812.971617845 secs.nsecs\n"
        f"elapsed_time              {771911 + moment}.614286754 secs.nsecs\n"
    )


def _count(index: int, moment: int) -> int:
    """Return the count of the line at `index` of a list."""
    return 359555 + 7 * index + (100 * moment if index < _BUSY else 0)


def _llite(moment: int) -> dict[str, str]:
    moved = "".join(
        f"{verb}_bytes                {count} samples [bytes] 28 1048576 {count * 917504} 915510425\n"
        f"{verb}                      {count} samples [usecs] 9 2104 {count * 41} 8642586\n"
        for verb, count in (("read", 8946781 + 100 * moment), ("write", 5120443 + 100 * moment))
    )
    rows = "".join(
        f"{name:<25} {_count(index, moment)} samples [usecs] 0 172939 {9 * _count(index, moment)} 8836730033307\n"
        for index, name in enumerate(_OPERATIONS)
    )
    ahead = "".join(f"{name:<25} {_count(index, moment)} samples [pages]\n" for index, name in enumerate(_READ_AHEAD))
    return {"stats": _head(moment) + moved + rows, "read_ahead_stats": _head(moment) + ahead}


def _device_stats(moment: int) -> str:
    waited = 18215581 + 10 * moment
    calls = "".join(
        f"{name:<25} {_count(index, moment)} samples [usecs] 119 1348857 {11 * _count(index, moment)} 834147639400\n"
        for index, name in enumerate(_CALLS)
    )
    return (
        f"{_head(moment)}req_waittime              {waited} samples [usecs] 69 1348857 {waited * 600} 8342874290406\n"
        f"req_active                {waited} samples [reqs] 1 17 83626277 470089669\n{calls}"
    )


def _rpc_stats(kind: str, moment: int) -> str:
    """Return an rpc_stats file: pages of each RPC, RPCs in flight, offsets; an mdc's has the middle one only."""
    head = f"snapshot_time:         {1749630724 + moment}.585904599 (secs.nsecs)\n"
    if kind == "mdc":
        return f"{head}modify_RPCs_in_flight:  0\n\n{_table('rpcs in flight', range(1, 18), 'modify', moment)}"
    state = "read RPCs in flight:  1\nwrite RPCs in flight: 6\npending write pages:  1244\npending read pages:   0\n\n"
    powers = [2**power for power in range(29)]
    tables = (("pages per rpc", powers[:11]), ("rpcs in flight", range(1, 17)), ("offset", powers))
    return head + state + "\n".join(_table(name, rows, "read\t\t\twrite", moment) for name, rows in tables)


def _table(name: str, rows: "range | list[int]", directions: str, moment: int) -> str:
    columns = directions.split()
    head = f"\t\t\t{directions}\n{name:<22}" + " |".join("rpcs   % cum %" for _ in columns) + "\n"
    lines = [
        f"{row}:\t\t" + "   |".join(f"{_count(index, moment):>10}  12  50" for _ in columns)
        for index, row in enumerate(rows)
    ]
    return "\n".join((head.rstrip("\n"), *lines, ""))
