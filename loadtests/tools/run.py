"""A tool's phases one after another, in the engine's place: the load process asks both the same questions."""

import asyncio
import math
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from loadtests.metrics import Metrics
from loadtests.progress import Progress, Result, Span, State
from loadtests.records import Recorder
from loadtests.tools.base import Tool
from loadtests.tools.stage import Account, Stage
from runs.recipe import Load


class ToolRun:
    """Runs the phases of one load by a tool. Phases may lie apart: each ends with what its tool still had open.

    `hurry`: how long, in seconds, a program may take to end after an interruption. `place`: where tools write.
    """

    def __init__(
        self, load: Load, tool: Tool, recorder: Recorder, metrics: Metrics, *, place: Path, hurry: float = 2.0
    ) -> None:
        self._load = load
        self._tool = tool
        self._recorder = recorder
        self._account = Account(recorder, metrics)
        metrics.in_flight.set(math.nan)  # a tool tells of requests when they have ended
        self._place = place
        self._hurry = hurry
        self._stages: list[Stage] = []
        self._asked = asyncio.Event()
        self._state: State = "running"
        self.retries = 0

    @property
    def errors(self) -> Counter[str]:
        """Failures by kind."""
        return Counter(self._account.errors)

    def interrupted(self) -> bool:
        """Tell whether the load was asked to end before its time."""
        return self._asked.is_set()

    def interrupt(self) -> None:
        """Begin nothing more; the program that runs is told to end."""
        self._asked.set()

    async def run(self) -> None:
        """Run all phases. Raises ToolError, with what was recorded until then on disk."""
        account, metrics = self._account, self._account.metrics
        self._place.mkdir(exist_ok=True)
        try:
            for index, phase in enumerate(self._load.phases):
                if self.interrupted():
                    break
                stage = Stage(phase, index, account, self._asked, self._hurry, self._place, account.numbers)
                self._stages.append(stage)
                metrics.enter(phase.name, rate=phase.rate, users=phase.users)
                try:
                    await self._tool.run(stage)
                finally:
                    stage.close()
        finally:
            self._state = "drain"
            await asyncio.to_thread(self._recorder.flush)
        metrics.enter("done")

    def tell(self, result: Result) -> None:
        """Add to a result what only tools have."""
        result.aggregates = self._account.aggregates
        result.warnings = self._account.warnings
        result.dropped = sum(stage.dropped for stage in self._stages)
        result.notes = {**result.notes, **self._account.notes}

    def spans(self, *, with_lags: bool = True) -> list[Span]:
        """Return the phases so far."""
        return [stage.span(with_lags=with_lags) for stage in self._stages]

    def progress(self, state: State | None = None) -> Progress:
        """Return how far the load is, or that it ended as `state`."""
        now, phases, window = time.monotonic(), self.spans(with_lags=False), self._account.window
        intended, sent = sum(span.intended for span in phases), sum(span.sent for span in phases)
        ok, failed = sum(span.ok for span in phases), sum(span.failed for span in phases)
        rate_intended, rate_done = window.rates(now, intended, ok + failed)
        p50, p99 = window.latencies(now)
        current = phases[-1] if phases and self._state == "running" and state is None else None
        return Progress(
            state=state or self._state,
            phase=current.name if current else "drain" if state is None and phases else None,
            phase_started=current.started if current else None,
            phase_ends=current.ended if current else None,
            started=phases[0].started if phases else None,
            ends_at=self._end(phases),
            intended=intended,
            sent=sent,
            done=ok + failed,
            ok=ok,
            failed=failed,
            in_flight=0,
            rate_intended=rate_intended,
            rate_done=rate_done,
            p50_latency=p50,
            p99_latency=p99,
            errors=dict(self.errors.most_common(3)),
            phases=phases,
        )

    def _end(self, phases: list[Span]) -> datetime | None:
        """Return when the last phase will be over, as far as one can tell."""
        if not phases:
            return None
        left = sum(phase.duration for phase in self._load.phases[len(phases) :])
        return phases[-1].ended + timedelta(seconds=left)
