"""One phase by one k6: what it is told, and what becomes of its requests."""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.importers.base import Row
from loadtests.k6.command import Files
from loadtests.k6.scenario import LEAD, NAME, scenario
from loadtests.tools.stage import Stage
from runs import atomic
from runs.recipe import Load

_STARTED = re.compile(r"dashcam started ([0-9]{13}(?:\.[0-9]+)?)")


@dataclass
class Session:
    """Writes what k6 is given into the stage's folder, and gives requests their intended times.

    `due`: seconds from the start of the phase, where the times are ours. Moments are UTC nanoseconds.
    """

    load: Load
    stage: Stage
    due: Sequence[float] | None
    files: Files = field(init=False)
    started: int | None = None
    _free: dict[int, int] = field(default_factory=dict)
    _held: list[tuple[int | None, Row]] = field(default_factory=list)

    def path(self, what: str) -> Path:
        """Return where a file of this phase lies."""
        return self.stage.place / f"{self.stage.phase.name}.{what}"

    @property
    def summary(self) -> Path:
        """Where our scripts leave k6's own summary."""
        return self.path("summary.json")

    def write(self, facts: dict[str, Any], script: Path, *, vus: int, html: bool, ours: bool) -> Path:
        """Write the plan, the schedule and a configuration of k6; returns the plan's path. Raises OSError."""
        phase, stage = self.stage.phase, self.stage
        requests = None if self.due is None else len(self.due)
        what = scenario(phase, vus=vus, drain=self.load.drain, requests=requests)
        stats = ["avg", "min", "med", "max", "p(90)", "p(95)", "p(99)", "p(99.9)", "count"]
        options = {"scenarios": {NAME: what}, "summaryTrendStats": stats}
        plan = facts | {
            "options": options, "seed": self.load.seed, "first": stage.first, "closed": phase.users is not None,
            "think": phase.think, "lead": LEAD, "timeout_ms": f"{round(self.load.timeout * 1000)}ms",
            "summary": str(self.summary), "due": None,
        }  # fmt: skip
        if self.due is not None:
            plan["due"] = str(self.path("due.json"))
            atomic.write(self.path("due.json"), json.dumps([round(each, 6) for each in self.due]))
        # A script of somebody else's is given our phase as k6's configuration, which its own options precede.
        config = {} if ours else options
        self.files = Files(
            script=script, points=self.path("points.csv"), console=self.path("console.log"),
            config=self.path("config.json"), html=self.path("html") if html else None,
        )  # fmt: skip
        atomic.write(self.files.config, json.dumps(config))
        atomic.write(self.path("plan.json"), json.dumps(plan, indent=2))
        return self.path("plan.json")

    def take(self, found: list[tuple[int | None, Row]], *, last: bool = False) -> None:
        """Record requests. Those that come before k6 has told when it started wait for that."""
        self._held += found
        if self.started is None and (self._held or last):
            self._look(last=last)
        if self.started is None:
            return
        for number, row in self._held:
            row.intended = self._intended(number, row)
            self.stage.add(row, number)
        self._held.clear()

    def _look(self, *, last: bool) -> None:
        """Find out when the load began; of a script that does not tell it was when its first request left."""
        told = None
        if self.files.console.is_file():
            told = _STARTED.search(self.files.console.read_text(errors="replace"))
        if told is not None:
            self.started = round(float(told[1]) * 1e3) * 10**3  # a float of ms has no room for ns
            if self.due is not None:
                self.started += round(LEAD * 1e9)
        elif last or (self._held and all(number is None for number, _ in self._held)):
            self.started = min((row.sent for _, row in self._held), default=time.time_ns())
        if self.started is not None:
            self.stage.begin(self.started)

    def _intended(self, number: int | None, row: Row) -> int | None:
        """Return when a request was to leave: by our schedule, or when its user was free; of k6's own it is unknown."""
        started = self.started or 0
        if self.due is not None and number is not None and 0 <= number - self.stage.first < len(self.due):
            return min(row.sent, started + round(self.due[number - self.stage.first] * 1e9))
        if row.user is not None:
            free = self._free.get(row.user, started)
            self._free[row.user] = row.done + round(self.stage.phase.think * 1e9)
            return min(row.sent, free)
        return None
