"""What part of a load one process carries."""

import math
import os
from dataclasses import dataclass

from runs.recipe import Load

RATE_A_PROCESS = 2000.0
"""Requests/s from which on `processes: auto` takes one process more: plain HTTP then costs a third of a core."""


@dataclass(frozen=True)
class Share:
    """Process number `shard` of `shards`: it sends request N of the schedule where N % shards == shard.

    Requests of a closed loop are numbered shard, shard + shards and so on, so that no number is given twice.
    """

    shard: int = 0
    shards: int = 1

    def users(self, users: int) -> range:
        """Return which users of a closed loop are those of this process."""
        return range(self.shard, users, self.shards)

    def requests(self, requests: int, users: int) -> int:
        """Return how many of `requests` of a closed loop this process begins: as its share of the users is."""
        before = sum(len(Share(shard, self.shards).users(users)) for shard in range(self.shard))
        own = len(self.users(users))
        return requests * (before + own) // users - requests * before // users


def processes(load: Load, nodes: int, cores: int) -> int:
    """Return how many load processes run on a node of `cores` cores, where the load runs on `nodes` nodes."""
    if load.search is not None or load.scenario is not None:
        return 1  # one engine judges by what it holds in memory, and one has the seeds of the rules
    if load.processes == "all":
        return cores
    if load.processes != "auto":
        return load.processes
    rates = [
        max(phase.rate or 0.0, *((ramp.start, ramp.end) if (ramp := phase.ramp) else (0.0,))) for phase in load.stages
    ]
    return max(1, min(cores, math.ceil(max(rates) / RATE_A_PROCESS / nodes)))


def own_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))
