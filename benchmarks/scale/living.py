"""A Prometheus of a run, measured while it scrapes: its cost, what it lost, and what the continuous copy takes."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests

from benchmarks.meter import cpu_seconds, machine_seconds, memory
from benchmarks.scale.place import Size
from prometheus.client import Client
from prometheus.shipping import Shipment
from prometheus.web import WebFiles


@dataclass
class Copying:
    """The continuous copy's rounds as `jobs.copying` makes them, in a thread whose CPU is read."""

    shipment: Shipment
    every: float
    rounds: list[tuple[float, float, float, int]] = field(default_factory=list)
    """Of each: its begin (monotonic), seconds, CPU seconds, bytes."""

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def _go_on(self) -> None:
        while not self._over.wait(self.every):
            begin, used = time.monotonic(), time.thread_time()
            written = self.shipment.ship()
            self.rounds.append((begin, time.monotonic() - begin, time.thread_time() - used, written))

    def stop(self) -> None:
        """End without a last round, as when the node dies."""
        self._over.set()
        self._thread.join()

    @property
    def lag(self) -> float:
        """Return the most that was ever missing, in seconds: from a round's begin to the next one's end."""
        ends = [begin + took for begin, took, _, _ in self.rounds]
        return max(end - begin for end, (begin, *_) in zip(ends[1:], self.rounds, strict=False))


@dataclass(frozen=True)
class Cost:
    """Figures of a window. Cores are CPU seconds a second; memory and bytes in bytes; lost are scrapes not done."""

    begun: float
    ended: float
    cores: float
    exporters: float
    machine: float
    resident: int
    due: int
    lost: int
    down: int
    scrape: tuple[float, float]
    """The 99th percentile and the longest of a scrape's seconds."""
    rules: float
    missed: int
    series: int
    wal: float
    copy: float
    lag: float

    @property
    def done(self) -> float:
        """The share of the scrapes due that were done well."""
        return 1 - (self.lost + self.down) / self.due


def measure(size: Size, pids: tuple[int, int], client: Client, files: WebFiles, copying: Copying) -> Cost:
    """Watch for `size.seconds`. `pids`: of Prometheus and of the exporters."""
    prometheus, exporters = pids
    data = copying.shipment.source
    _settle(size, client)
    own = _own(client, files)
    clocks = _clocks(prometheus, exporters)
    begun, first, logged = time.time(), len(copying.rounds), _bytes(data / "wal")
    resident = 0
    while time.time() < begun + size.seconds:
        time.sleep(0.5)
        resident = max(resident, memory(prometheus).resident)
    ended = time.time()
    used = _clocks(prometheus, exporters) - clocks
    wal = (_bytes(data / "wal") - logged) / (ended - begun)
    rounds = list(copying.rounds[first:])
    missed = -own.get("prometheus_rule_group_iterations_missed_total", 0.0)
    time.sleep(size.interval)  # the last scrapes of the window are on their way
    own = _own(client, files)
    missed += own.get("prometheus_rule_group_iterations_missed_total", 0.0)
    due, lost, down = _scrapes(size, client, begun, ended)
    took = np.concatenate([one.values for one in client.samples("scrape_duration_seconds", begun, ended)])
    cores = used / (ended - begun)
    return Cost(
        begun, ended, float(cores[0]), float(cores[1]), float(cores[2]), resident, due, lost, down,
        (float(np.quantile(took, 0.99)), float(took.max())),
        own["prometheus_rule_group_last_duration_seconds"], int(missed), int(own["prometheus_tsdb_head_series"]), wal,
        sum(cpu for _, _, cpu, _ in rounds) / (ended - begun), copying.lag,
    )  # fmt: skip


def _settle(size: Size, client: Client) -> None:
    """Wait until every target was scraped, and the rates have their window."""
    deadline = time.monotonic() + 90
    while not (up := client.query("count(up == 1)")) or up[0].values[0] < size.targets:
        assert time.monotonic() < deadline, f"{up[0].values[0] if up else 0} of {size.targets} targets are up"
        time.sleep(0.5)
    time.sleep(4 * size.interval)


def _clocks(*pids: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.array([*map(cpu_seconds, pids), machine_seconds()])


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _own(client: Client, files: WebFiles) -> dict[str, float]:
    """Return what Prometheus tells of itself, added up over labels."""
    auth = (files.credentials.user, files.credentials.password)
    sums: dict[str, float] = {}
    for line in requests.get(f"{client.url}/metrics", auth=auth, timeout=30).text.splitlines():
        if not line.startswith("#"):
            name, value = line.split("{")[0].split(" ")[0], line.rsplit(" ", 1)[1]
            sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def _scrapes(size: Size, client: Client, begun: float, ended: float) -> tuple[int, int, int]:
    """Return how many scrapes were due, were never done, and failed: by the samples of `up` themselves.

    A scrape that comes late is none that is lost: per target those from the first to the last are counted, and the
    whole intervals before and after in which there is none.
    """
    due, lost, down = size.targets * int((ended - begun) / size.interval), 0, 0
    for one in client.samples("up", begun, ended):
        within = one.times >= begun
        times = one.times[within]
        lost += round((times[-1] - times[0]) / size.interval) + 1 - len(times)
        lost += int((times[0] - begun) / size.interval) + int((ended - times[-1]) / size.interval)
        down += int((one.values[within] == 0).sum())
    return due, lost, down
