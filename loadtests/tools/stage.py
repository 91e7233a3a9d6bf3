"""One phase of a tool: what it tells on the way, counted and recorded as the engine does with its own requests."""

import asyncio
import contextlib
import os
import resource
import time
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.aggregate import Aggregate
from loadtests.importers.base import Row
from loadtests.metrics import Metrics
from loadtests.outcome import Outcome
from loadtests.progress import Span, Stop
from loadtests.records import Recorder
from loadtests.window import Window
from runs.recipe import Phase

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _children_cpu() -> float:
    """Return the CPU time of all programs that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass
class Account:
    """What all phases of a tool add to."""

    recorder: Recorder
    metrics: Metrics
    window: Window = field(default_factory=Window)
    numbers: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    aggregates: list[Aggregate] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Stage:
    """Moments are UTC nanoseconds, `begun` and `over` those of the load itself, not of the tool's start and end.

    `client`: the tool's CPU time is a client's, which must not be scarce, and not the work that is measured. `first` is
    the number of the first request that it may send, `place` the folder of the tool's own files.
    """

    phase: Phase
    index: int
    account: Account
    asked: asyncio.Event
    hurry: float
    place: Path
    first: int
    begun: int = field(default_factory=time.time_ns)
    over: int | None = None
    sent: int = 0
    ok: int = 0
    failed: int = 0
    dropped: int = 0
    client: bool = True
    cpu: float | None = None
    stopped: Stop | None = None
    _lags: "array[float]" = field(default_factory=lambda: array("d"))
    _cpu_before: float = field(default_factory=_children_cpu)

    def begin(self, moment: int | None = None) -> None:
        """Say when the load really began, now or at `moment`: what came before was the tool's own start."""
        self.begun = time.time_ns() if moment is None else moment

    def end(self, moment: int | None = None) -> None:
        """Say when the load ended, where that is not at the planned end of the phase."""
        self.over = time.time_ns() if moment is None else moment

    async def rest(self) -> None:
        """Wait for the planned end of the phase: a tool that has sent all in good time is not yet over."""
        left = self.begun / 1e9 + self.phase.duration - time.time()
        if left > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.asked.wait(), left)

    def add(self, row: Row, number: int | None = None) -> None:
        """Record one request; `number` is the tool's own where it knows one, which is then unique in the load."""
        account, name = self.account, self.phase.name
        number = account.numbers if number is None else number
        account.numbers = max(account.numbers, number + 1)
        account.recorder.add(row.columns(number, name))
        intended = row.sent if row.intended is None else row.intended
        if row.intended is not None:
            self._lags.append((row.sent - intended) / 1e9)
        self.sent += 1
        if row.ok:
            self.ok += 1
            account.window.add(time.monotonic(), (row.done - intended) / 1e9)
        else:
            self.failed += 1
            kind = row.error or "unknown"
            account.errors[kind] = account.errors.get(kind, 0) + 1
        series = account.metrics.phases[name]
        series.intend()
        series.leave((row.sent - intended) / 1e9)
        series.end(intended / 1e9, _outcome(row))

    def count(self, ok: int, failed: int = 0) -> None:
        """Count operations that have no record of their own."""
        self.sent += ok + failed
        self.ok += ok
        self.failed += failed
        self.account.metrics.phases[self.phase.name].add_up(ok, failed)

    def drop(self, number: int) -> None:
        """Count requests that the tool did not send because it had nobody left to send them."""
        self.dropped += number

    def aggregate(self, aggregate: Aggregate) -> None:
        """Keep the figures of many operations."""
        self.account.aggregates.append(aggregate.model_copy(update={"phase": self.phase.name}))

    def note(self, key: str, value: Any) -> None:
        """Keep a fact for the record."""
        self.account.notes[key] = value

    def warn(self, text: str) -> None:
        """Keep what speaks against the numbers, for the verdict."""
        if text not in self.account.warnings:
            self.account.warnings.append(text)

    def close(self) -> None:
        """Take the CPU time of the programs that this phase ran."""
        if self.client:
            self.cpu = _children_cpu() - self._cpu_before
        planned = self.begun + round(self.phase.duration * 1e9)
        if self.over is None:
            self.over = min(planned, time.time_ns())
        self.stopped = "interrupted" if self.asked.is_set() else "time"

    def span(self, *, with_lags: bool) -> Span:
        """Return the phase as others read it."""
        phase = self.phase
        over = self.over if self.over is not None else self.begun + round(phase.duration * 1e9)
        seconds = (over - self.begun) / 1e9
        lag: dict[str, float] = {}
        if with_lags and self._lags:
            p50, p99, worst = np.percentile(np.frombuffer(self._lags), (50, 99, 100))
            lag = {"lag_p50": float(p50), "lag_p99": float(p99), "lag_max": float(worst)}
        return Span(
            name=phase.name,
            measured=phase.in_window,
            started=_utc(self.begun),
            ended=_utc(max(self.begun, over)),
            rate=phase.rate,
            users=phase.users,
            arrival=phase.arrival if phase.rate is not None else None,
            think=phase.think,
            stopped=self.stopped,
            intended=self.sent + self.dropped,
            sent=self.sent,
            ok=self.ok,
            failed=self.failed,
            dropped=self.dropped,
            **lag,
            cpu_seconds=None if self.cpu is None else round(self.cpu, 4),
            cpu_share=None if self.cpu is None or seconds <= 0 else round(self.cpu / seconds / cores(), 4),
            cpu_cores=cores(),
        )


def cores() -> int:
    """Return how many cores a tool may use here: it is not bound to one, as our own event loop is."""
    return len(os.sched_getaffinity(0))


def _outcome(row: Row) -> Outcome:
    """Return the row as the live series take it: seconds of one clock."""

    def at(moment: int | None) -> float | None:
        return None if moment is None else moment / 1e9

    return Outcome(
        sent=at(row.sent),
        first_token=at(row.first_token),
        done=at(row.done),
        ok=row.ok,
        error=row.error,
        received=row.received or 0,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        gaps=row.gaps or [],
        recall=row.recall,
    )


def _utc(moment: int) -> datetime:
    return _EPOCH + timedelta(microseconds=moment // 1000)
