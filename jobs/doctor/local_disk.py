"""The node-local disk, which holds Prometheus's data while a run goes: where, how large, how fast."""

import os
import shutil
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from jobs import scratch
from jobs.doctor.base import Check, Context, Line
from jobs.doctor.disk import room, written

_BLOCK = bytes(range(256)) * 4096
_MOST = 128 * 2**20
_SECONDS = 2.0
_SYNCS = 32
_SLOW_BYTES = 50 * 10**6
_SLOW_SYNC = 0.05
"""Seconds. A Prometheus that logs some thousand series a second writes little; one sync that takes this long shows."""


def _look(context: Context) -> Iterable[Line]:
    words = context.site.local_disk
    choice = scratch.choose(words)
    mend = "name a node-local directory in the site profile's local_disk"
    if context.scratch is None or (problem := written(context.scratch / "written")):
        why = f": {problem}" if context.scratch is not None else ""
        yield Line("node-local disk", "missing", f"{choice.place} cannot be written to{why}", mend, needed=True)
        return
    doubt = (
        f" (of {', '.join(words)}; not verified for {context.site.name})" if context.site.doubted("local_disk") else ""
    )
    found = room("node-local disk", choice.place, scratch.filesystem(choice.place), mend)
    if choice.note and found.state == "ok":
        yield Line(found.what, "degraded", choice.note, mend)
    else:
        yield Line(found.what, found.state, found.detail + doubt, found.mend, found.needed)
    rate, sync = speed(context.scratch / "speed")
    text = f"{rate / 1e6:.0f} MB/s written and synced, {1000 * sync:.1f} ms a sync (median of {_SYNCS})"
    if rate < _SLOW_BYTES or sync > _SLOW_SYNC:
        yield Line("its speed", "degraded", f"{text}: services that write share it with Prometheus, whose scrapes lag")
    else:
        yield Line("its speed", "ok", text)


def speed(path: Path) -> tuple[float, float]:
    """Return bytes a second of a file written and synced once, and the median seconds of a 4 KiB write with its sync.

    At most 128 MiB or 2 s, and at most half of what is free. Raises OSError.
    """
    most = min(_MOST, shutil.disk_usage(path.parent).free // 2)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        begin, done = time.monotonic(), 0
        while done < most and time.monotonic() - begin < _SECONDS:
            done += os.write(descriptor, _BLOCK)
        os.fdatasync(descriptor)
        rate = done / (time.monotonic() - begin)
        times = []
        for _ in range(_SYNCS):
            begin = time.monotonic()
            os.write(descriptor, _BLOCK[:4096])
            os.fdatasync(descriptor)
            times.append(time.monotonic() - begin)
            if sum(times) > _SECONDS:
                break
    finally:
        os.close(descriptor)
        path.unlink()
    return rate, statistics.median(times)


CHECK = Check("node-local disk", "disk", _look, within=30.0, vital=True, order=1)
