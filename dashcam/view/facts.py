"""What the terminal view shows of a run at one moment. Values only: a screen is a function of them.

Times in seconds, rates per second, sizes in bytes, shares as ratios (0 to 1). None and an empty tuple: not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Numbers = tuple[float | None, ...]


@dataclass(frozen=True)
class Stretch:
    """A phase in the bar. `left` and `share` (of its time) are those of the current one."""

    name: str
    state: Literal["done", "now", "next"]
    left: float | None = None
    share: float = 0.0


@dataclass(frozen=True)
class Load:
    """What the client sees. `errors` are kinds with their counts, most frequent first; `late_p99` is its own delay."""

    asked: float | None = None
    done: float | None = None
    latency_p50: float | None = None
    latency_p99: float | None = None
    ttft_p50: float | None = None
    ttft_p99: float | None = None
    late_p99: float | None = None
    in_flight: float | None = None
    users: float | None = None
    ended: float | None = None
    failed: float | None = None
    tokens_in: float | None = None
    tokens_out: float | None = None
    errors: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Service:
    """What a service says of itself; `full` is the share of what it has (KV cache, slots, connections) in use."""

    name: str
    rate: float | None = None
    errors: float | None = None
    p50: float | None = None
    p99: float | None = None
    queue: float | None = None
    running: float | None = None
    full: float | None = None
    tokens_in: float | None = None
    tokens_out: float | None = None


@dataclass(frozen=True)
class Machine:
    """A node, or `mean` and `most` of many. `gpus` are their utilisations in order."""

    name: str
    cpu: float | None = None
    memory: float | None = None
    disk_read: float | None = None
    disk_written: float | None = None
    received: float | None = None
    sent: float | None = None
    gpus: tuple[float, ...] = ()
    gpu_memory: float | None = None
    gpu_watts: float | None = None


@dataclass(frozen=True)
class FileSystem:
    """A Lustre file system as the run's clients use it."""

    name: str
    read: float | None = None
    written: float | None = None
    operations: float | None = None


@dataclass(frozen=True)
class Alert:
    """A rule that fires."""

    name: str
    severity: str = ""
    where: str = ""


@dataclass(frozen=True)
class Down:
    """A target that Prometheus could not scrape the last time."""

    job: str
    node: str
    error: str = ""


@dataclass(frozen=True)
class Targets:
    """How many targets there should be, and how many answer; None: Prometheus was not asked yet."""

    expected: int = 0
    up: int | None = None
    down: tuple[Down, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Everything on the screen.

    `state` is a few words; `spent` and `whole` belong to the load; `trouble` says why the figures are not those of
    Prometheus; `history` holds, by the names of `Load`, a value a second, newest last; `places` tells of addresses.
    """

    id: str
    state: str
    running: bool = False
    spent: float | None = None
    whole: float | None = None
    phases: tuple[Stretch, ...] = ()
    load: Load = field(default_factory=Load)
    history: Mapping[str, Numbers] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    machines: tuple[Machine, ...] = ()
    file_systems: tuple[FileSystem, ...] = ()
    alerts: tuple[Alert, ...] = ()
    targets: Targets = field(default_factory=Targets)
    notes: tuple[str, ...] = ()
    trouble: str = ""
    places: tuple[str, ...] = ()
