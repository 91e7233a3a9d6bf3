"""Runs collectors beside one another: one that fails or hangs costs its own series and nothing else."""

import contextlib
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector as Source

from exporters.collector import Collector, Late, Malformed
from exporters.health import Health, health

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_DISTINCT_ERRORS = 100
"""Texts remembered for each collector: one that names a new pid each time must not grow without bound."""


@dataclass(frozen=True)
class Watched:
    """A collector, the count of what it could not read, and that of runs in which a part of it was late."""

    collector: Collector
    malformed: Malformed
    late: Late = field(default_factory=Late)


@dataclass(frozen=True)
class Scrape:
    """One exposition in text format 0.0.4, and why collectors are missing from it, by name."""

    text: bytes
    failed: dict[str, str]


@dataclass
class _Task:
    """One run of a collector. `text` and `names` are set at success, `error` at failure, then `done`."""

    begun: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)
    seconds: float | None = None
    text: bytes = b""
    names: frozenset[str] = frozenset()
    error: str | None = None


class _Families(Source):
    """Families that are there already, in the form that prometheus_client writes out."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        """Return them."""
        return self._families


class _Worker:
    """The thread that works for one collector. While it hangs, no other is started in its place."""

    def __init__(self, watched: Watched) -> None:
        self.name = watched.collector.name
        self.malformed = watched.malformed
        self.late = watched.late
        self.timeouts = self.errors = 0
        self.last_success: float | None = None
        self._collector = watched.collector
        self._lock = threading.Lock()
        self._asked = threading.Semaphore(0)
        self._task: _Task | None = None
        threading.Thread(target=self._work, name=f"collect-{self.name}", daemon=True).start()

    def ask(self) -> _Task:
        """Have the collector run; a run that another scrape began and that has not ended is shared."""
        with self._lock:
            if self._task is None:
                self._task = _Task()
                self._asked.release()
            return self._task

    def _work(self) -> None:
        while True:
            self._asked.acquire()
            task = self._task
            if task is not None:
                self._run(task)

    def _run(self, task: _Task) -> None:
        try:
            families = list(self._collector.collect())
            # Written out here, so that a sample that cannot be written is this collector's error, not everyone's.
            task.text = generate_latest(_Families(families))
            task.names = frozenset(family.name for family in families)
        except BaseException as error:  # noqa: BLE001 - whatever a collector meets, the others go on
            task.error = f"{type(error).__name__}: {error}"
        with self._lock:
            task.seconds = time.monotonic() - task.begun
            self._task = None
            if task.error is not None:
                self.errors += 1
        task.done.set()


class Runner:
    """Scrapes all collectors within `timeout` seconds. Scrapes may overlap; each keeps its own deadline."""

    def __init__(self, watched: Sequence[Watched], timeout: float, version: str) -> None:
        self._workers = [_Worker(one) for one in watched]
        self._timeout = timeout
        self._version = version
        self._told: Counter[str] = Counter()
        self._texts: set[str] = set()
        self._lock = threading.Lock()

    def scrape(self) -> Scrape:
        """Run all collectors once. What a collector gave earlier is never served again: a gap is the truth."""
        deadline = time.monotonic() + self._timeout
        parts: list[bytes] = []
        failed: dict[str, str] = {}
        states: list[Health] = []
        names: set[str] = set()
        for worker, task in [(worker, worker.ask()) for worker in self._workers]:
            error = self._outcome(worker, task, deadline)
            if error is None and (twice := sorted(names & task.names)):
                error = f"another collector already offers {', '.join(twice)}"
            if error is None:
                parts.append(task.text)
                names |= task.names
                worker.last_success = time.time()
            else:
                failed[worker.name] = error
                self._tell(worker.name, error)
            states.append(
                Health(
                    collector=worker.name,
                    success=error is None,
                    seconds=task.seconds if task.seconds is not None else time.monotonic() - task.begun,
                    last_success=worker.last_success,
                    timeouts=worker.timeouts + worker.late.count,
                    errors=worker.errors,
                    malformed=worker.malformed.count,
                )
            )
        parts.append(generate_latest(_Families(list(health(states, self._version)))))
        return Scrape(b"".join(parts), failed)

    def _outcome(self, worker: _Worker, task: _Task, deadline: float) -> str | None:
        """Wait for the run at most until `deadline`; returns what went wrong."""
        # A run that outlived its own deadline hangs: others are not made to wait for it once more.
        patience = min(deadline, task.begun + self._timeout)
        if task.done.wait(max(0.0, patience - time.monotonic())):
            return task.error
        with self._lock:
            worker.timeouts += 1
        return f"no answer within {self._timeout:g} s; its series are left out until it answers"

    def _tell(self, name: str, error: str) -> None:
        """Say each failure once, not at every scrape."""
        text = f"exporter: collector {name}: {error}"
        with self._lock:
            if text in self._texts or self._told[name] >= _DISTINCT_ERRORS:
                return
            self._texts.add(text)
            self._told[name] += 1
        with contextlib.suppress(OSError, ValueError):  # a log that is gone is no reason to stop
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - the sidecar's log
