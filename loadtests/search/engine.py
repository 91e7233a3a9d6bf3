"""The engine that searches: the phases of the recipe warm up, then each probe is a phase whose rate the last one gave.

A probe N is two phases: `settle-N`, in which the rate is applied and nothing is judged, and `probe-N`. Before the next
the service drains. A probe in which the client itself was late is made again, at most twice: that says nothing about
the service. Probes are no measured phases, for most of them break something on purpose; when the search is over, those
at the highest passing rate become measured: the headline and the verdict are of the confirmed edge.
"""

import time
from collections.abc import Mapping
from typing import Any

from loadtests.engine import Engine
from loadtests.outcome import Outcome
from loadtests.search import judge
from loadtests.search.judge import Request, Sample
from loadtests.search.ladder import Ladder
from loadtests.search.result import Found, Probe
from loadtests.tally import Tally
from runs.phase import Phase
from runs.search import Search

_TRIES = 2
"""How often a probe may be made again because the client was late: a hiccup passes, a bottleneck stays."""


class SearchEngine(Engine):
    """Carries out the warm-up and a search for the highest rate at which `bounds` are met. One process only."""

    def __init__(self, *parts: Any, search: Search, bounds: Mapping[str, float], k: Any = None, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._search, self._bounds, self._k = search, bounds, k
        self._ladder = Ladder(search)
        self._probes: list[Probe] = []
        self._requests: list[tuple[Tally, Request]] = []
        self._sender.on_end = self._keep
        self._again = 0
        self._over = False

    async def _carry_out(self, start: float) -> None:
        await super()._carry_out(start)
        while (rate := self._ladder.next()) is not None:
            await self._drain()
            if self.interrupted():
                return
            self._requests.clear()
            tally = await self._try(rate)
            await self._drain()
            if self.interrupted():
                return  # a probe that was cut short tells nothing
            self._conclude(rate, tally)
        self._over = True
        self._mark()

    async def _try(self, rate: float) -> Tally:
        """Apply a rate until the probe at it is over."""
        search, number = self._search, len(self._probes) + 1
        start = time.monotonic()
        if search.settle:
            start = (await self._stretch(f"settle-{number}", rate, start, search.settle)).ended
        return await self._stretch(f"probe-{number}", rate, start, search.seconds(rate, self._bounds))

    async def _stretch(self, name: str, rate: float, start: float, seconds: float) -> Tally:
        asked = {"name": name, "for": seconds, "rate": rate, "arrival": self._search.arrival, "measured": False}
        self._metrics.know(name)
        return await self._phase(
            len(self._account.tallies), Tally(Phase.model_validate(asked), start, start + seconds), {}
        )

    def _keep(self, tally: Tally, intended: float, outcome: Outcome) -> None:
        self._requests.append((tally, Request(intended, outcome.done or time.monotonic(), outcome)))

    def _conclude(self, rate: float, tally: Tally) -> None:
        mine = [request for owner, request in self._requests if owner is tally]
        others = [request for owner, request in self._requests if owner is not tally]
        cpu = (tally.cpu or 0.0) / max(1e-9, tally.ended - tally.started)
        sample = Sample(tally.started, tally.ended, mine, others, cpu=cpu, k=self._k)
        objectives, broke = judge.judge(sample, self._bounds)
        void = "client" in broke and self._again < _TRIES
        self._again = self._again + 1 if void else 0
        if not void:
            self._ladder.tell(rate, passed=not broke)
        self._probes.append(
            Probe(
                name=tally.phase.name,
                rate=rate,
                seconds=round(sample.seconds, 6),
                requests=len(mine),
                failed=len(mine) - len(sample.good),
                offered=len(mine) / sample.seconds,
                achieved=sample.achieved,
                goodput=judge.good_requests(sample, self._bounds) / sample.seconds,
                passed=not broke,
                broke=broke,
                void=void,
                objectives=objectives,
            )
        )

    def _mark(self) -> None:
        """Make the passing probes at the edge the measured phases."""
        edge = self._ladder.low
        self._probes = [
            probe.model_copy(update={"at_edge": probe.passed and probe.rate == edge}) for probe in self._probes
        ]
        names = {probe.name for probe in self._probes if probe.at_edge}
        for tally in self._account.tallies:
            if tally.phase.name in names:
                tally.phase = tally.phase.model_copy(update={"measured": True})

    def _planned(self) -> float:
        ahead = super()._planned()
        if self._over or self.interrupted():
            return ahead
        rate = self._ladder.low or self._search.start
        return ahead + self._ladder.left * (self._search.settle + self._search.seconds(rate, self._bounds))

    def found(self) -> Found:
        """Return what the search has found so far."""
        ladder, search = self._ladder, self._search
        edge = [probe for probe in self._probes if probe.passed and probe.rate == ladder.low]
        broken = next((probe for probe in self._probes if probe.failed_it and probe.rate == ladder.high), None)
        seconds = [probe.seconds for probe in edge]
        return Found(
            state=ladder.end if self._over else "interrupted",
            highest_passing=ladder.low,
            lowest_failing=ladder.high,
            broke=broken.broke if broken else [],
            goodput=_mean([probe.goodput for probe in edge], seconds),
            achieved=_mean([probe.achieved for probe in edge], seconds),
            monotonic=ladder.monotonic,
            resolution=search.resolution,
            confirm=search.confirm,
            probes=self._probes,
        )


def _mean(values: list[float], weights: list[float]) -> float | None:
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights) if values else None
