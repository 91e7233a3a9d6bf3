"""One clock for all processes of a load: the parent's.

On the parent's own node the monotonic clock is the same, and its anchor is taken over as it is. From another node the
parent is asked eight times; the answer with the shortest way gives the anchor (F. Cristian, Distributed Computing 3,
1989), which is off by half of that way at most. Wall clocks of other nodes play no part. Quartz drifts by some parts
per million: on nodes whose clocks nobody steers, two processes may come apart by some milliseconds in ten minutes.
"""

import time
from pathlib import Path

from loadtests.clock import Clock
from loadtests.shards.wire import Link, Message

_ROUNDS = 8


def boot() -> str:
    """Return what names this boot of this kernel: processes that share it share the monotonic clock."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def answer(clock: Clock) -> Message:
    """Return the parent's time, as it answers `time`."""
    now = time.monotonic()
    return {"monotonic": now, "utc_ns": clock.utc_ns(now), "boot": boot()}


async def synchronise(link: Link) -> tuple[Clock, float]:
    """Ask the parent; returns its clock, and by how many seconds it may be off. Raises ConnectionError."""
    best: tuple[float, float, int] | None = None
    for _round in range(_ROUNDS):
        asked = time.monotonic()
        await link.send("time")
        told = await link.receive()
        heard = time.monotonic()
        if told is None:
            raise ConnectionError("the parent of the load is gone")
        if told["boot"] and told["boot"] == boot():
            return Clock((told["monotonic"], told["utc_ns"])), 0.0
        if best is None or heard - asked < best[0]:
            best = (heard - asked, (asked + heard) / 2, told["utc_ns"])
    assert best is not None  # noqa: S101 - there are rounds
    return Clock((best[1], best[2])), best[0] / 2
