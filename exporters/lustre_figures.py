"""A Lustre client's parameters as series: summed over the mounts of a file system, labelled with its name."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from exporters.collector import Malformed
from exporters.families import Families
from exporters.figures import Parsed
from exporters.lustre_params import LNET_STATS, Owner, owner, split
from exporters.lustre_stats import (
    Line,
    RpcStats,
    Stats,
    parse_lnet,
    parse_number,
    parse_rpc_stats,
    parse_stats,
    parse_version,
)
from exporters.lustre_values import Labels, Totals, Values

_MOST_TARGETS = 64
"""With more targets than these a file system's are summed under target="all"."""

_NOT_OPERATIONS = re.compile(r"opencount|openclosetime|dirty_pages_.*|hybrid_.*")
_NOT_CALLS = frozenset({"bytes", "pages"})
"""Lines of llite's stats, and units, that count no calls of programs: opens of the same file, how long files stayed
open, hits of the cache, how the client chose between ways to read and write, and bytes and pages on these ways."""

_CAPACITY = {
    "kbytestotal": ("client_capacity_bytes", "Size of the file system.", 1024),
    "kbytesfree": ("client_free_bytes", "Bytes that are free.", 1024),
    "kbytesavail": ("client_available_bytes", "Bytes that are free to ordinary users.", 1024),
    "filestotal": ("client_files", "Files that the file system can hold.", 1),
    "filesfree": ("client_files_free", "Files that can still be made.", 1),
}
_DEBT = {
    "cur_dirty_bytes": ("osc_dirty_bytes", "Written bytes that are still to be sent."),
    "cur_grant_bytes": ("osc_grant_bytes", "Bytes that the target has granted for writing back."),
}
_LNET = {
    "send_count": ("send_messages", "Messages sent."),
    "recv_count": ("receive_messages", "Messages received."),
    "drop_count": ("drop_messages", "Messages dropped."),
    "send_length": ("send_bytes", "Bytes sent."),
    "recv_length": ("receive_bytes", "Bytes received."),
    "drop_length": ("drop_bytes", "Bytes dropped."),
    "errors": ("errors", "Errors."),
}

T = TypeVar("T")


class Figures:
    """Turns parameters into families."""

    def __init__(self, malformed: Malformed) -> None:
        self._malformed = malformed
        self._totals = Totals()

    def add(self, families: Families, params: Mapping[str, str]) -> None:
        """Add what `params` tell to `families`."""
        values = Values(self._totals)
        targets: defaultdict[str, set[str]] = defaultdict(set)
        owned = [
            (*parts, whose, text)
            for name, text in params.items()
            if (parts := split(name)) and (whose := owner(parts[0], parts[1]))
        ]
        # In llite there are mounts only; among osc and mdc a server has its own, which are no client's.
        mounts = {parts[1] for name in params if (parts := split(name)) and parts[0] == "llite"}
        self._malformed.add(sum(owner("llite", mount) is None for mount in mounts))
        for kind, _, _, whose, _ in owned:
            targets[f"{kind} {whose.fs}"].add(whose.target)
        for kind, _, leaf, whose, text in owned:
            if kind == "llite":
                self._llite(values, leaf, whose, text)
            else:
                crowded = len(targets[f"{kind} {whose.fs}"]) > _MOST_TARGETS
                labels = (("fs", whose.fs), ("target", "all" if crowded else whose.target))
                source = f"{whose.target} {whose.mount}"
                self._device(_Device(values, kind, source, labels), leaf, text)
        self._node(values, params)
        values.write(families)

    def _parsed(self, parse: Callable[[str], Parsed[T]], text: str) -> T:
        result = parse(text)
        self._malformed.add(result.malformed)
        return result.value

    def _llite(self, values: Values, leaf: str, whose: Owner, text: str) -> None:
        fs = ("fs", whose.fs)
        if leaf in _CAPACITY:
            number = self._parsed(parse_number, text)
            name, about, scale = _CAPACITY[leaf]
            if number is not None:
                values.same(name, about, number * scale, fs)
            return
        stats = self._parsed(parse_stats, text)
        if stats is None:
            return
        for name, line in stats.lines.items():
            if leaf == "read_ahead_stats":
                # Only `readahead_pages` has a sum: of the pages, where its samples are how often they were read ahead.
                values.count(
                    "client_read_ahead",
                    "Events of read-ahead, most of them counted in pages.",
                    line.samples if line.total is None or name != "readahead_pages" else line.total,
                    whose.mount,
                    fs,
                    ("event", event_name(name)),
                )
            else:
                _operation(values, name, line, whose, fs)
        if leaf == "stats" and stats.start_time is not None:
            about = "When the client's statistics were last reset, since the epoch."
            values.largest("client_stats_start_time_seconds", about, stats.start_time, fs)

    def _device(self, device: "_Device", leaf: str, text: str) -> None:
        if leaf in _DEBT:
            number = self._parsed(parse_number, text)
            if number is not None:
                device.values.sum(*_DEBT[leaf], number, *device.labels)
        elif leaf == "stats":
            stats = self._parsed(parse_stats, text)
            if stats is not None:
                device.requests(stats)
        else:
            rpcs = self._parsed(parse_rpc_stats, text)
            if rpcs is not None:
                device.rpcs(rpcs)

    def _node(self, values: Values, params: Mapping[str, str]) -> None:
        if "version" in params or "jobid_var" in params:
            version = parse_version(params.get("version", ""))
            jobid = params.get("jobid_var", "").strip()[:64]
            labels = (("version", version), ("jobid_var", jobid))
            values.same("client_info", "The client's version, and what it tells servers as the job's id.", 1, *labels)
        if "health_check" in params:
            healthy = params["health_check"].strip().startswith("healthy")
            values.same("client_healthy", "1 if Lustre finds itself healthy.", healthy)
        if LNET_STATS in params:
            for name, number in self._parsed(parse_lnet, params[LNET_STATS]).items():
                if name in _LNET:
                    values.count(f"lnet_{_LNET[name][0]}", _LNET[name][1], number, "")


def event_name(text: str) -> str:
    """Return the name of an event of read-ahead as Lustre writes it since 2.14: `read-ahead to EOF` was one before."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"read-ahead|r-a", "readahead", text.lower())).strip("_")


def _operation(values: Values, name: str, line: Line, whose: Owner, fs: tuple[str, str]) -> None:
    if name in {"read_bytes", "write_bytes"}:
        verb = name.removesuffix("_bytes")
        if line.total is not None and line.unit == "bytes":
            values.count(
                f"client_{verb}_bytes", f"Bytes that programs' calls of {verb} moved.", line.total, whose.mount, fs
            )
        values.count(f"client_{verb}_calls", f"Calls of {verb} that moved bytes.", line.samples, whose.mount, fs)
    elif line.unit not in _NOT_CALLS and _NOT_OPERATIONS.fullmatch(name) is None:
        operation = ("operation", name)
        values.count("client_operations", "Operations of programs.", line.samples, whose.mount, fs, operation)
        if line.seconds is not None:
            about = "Time that operations took (new versions only)."
            values.count("client_operation_seconds", about, line.seconds, whose.mount, fs, operation)


@dataclass(frozen=True)
class _Device:
    """An osc or mdc device: what its files tell goes into `values` under `labels`."""

    values: Values
    kind: str
    source: str
    labels: Labels

    def requests(self, stats: Stats) -> None:
        """Take how many requests there were, how long they took, and the bytes that they moved."""
        wait = stats.lines.get("req_waittime")
        if wait is not None:
            self.values.count(f"{self.kind}_requests", "Requests sent.", wait.samples, self.source, *self.labels)
        if wait is not None and wait.seconds is not None:
            about = "Time that requests took."
            self.values.count(f"{self.kind}_request_wait_seconds", about, wait.seconds, self.source, *self.labels)
        for verb in ("read", "write"):
            line = stats.lines.get(f"{verb}_bytes")
            if line is not None and line.unit == "bytes" and line.total is not None:
                about = f"Bytes that requests to {verb} moved; what the client's cache answered is not in them."
                self.values.count(f"{self.kind}_{verb}_bytes", about, line.total, self.source, *self.labels)

    def rpcs(self, rpcs: RpcStats) -> None:
        """Take the tables of RPCs."""
        for direction, number in rpcs.in_flight.items():
            labels = (*self.labels, ("direction", direction))
            self.values.sum(f"{self.kind}_rpcs_in_flight", "RPCs under way.", number, *labels)
        for direction, number in rpcs.pending_pages.items():
            labels = (*self.labels, ("direction", direction))
            self.values.sum(f"{self.kind}_pending_pages", "Pages that wait for an RPC.", number, *labels)
        for (direction, size), count in rpcs.pages.items():
            if count:
                labels = (*self.labels, ("direction", direction), ("pages", str(size)))
                self.values.count(
                    f"{self.kind}_rpcs", "RPCs by the pages in them, at most.", count, self.source, *labels
                )
