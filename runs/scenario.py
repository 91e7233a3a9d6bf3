"""MLPerf inference scenarios, as presets of a load.

Source: mlcommons-loadgen 6.0.17, mlperf.conf. Its rules ask for 600 s in each scenario, for three fixed seeds, and for
SingleStream: one query after another, p90 of the latency; MultiStream: 8 samples a query, p99, at least 662 queries;
Server: Poisson arrivals, p99 within the target latency (language models: of time to first token and of time per output
token); Offline: all samples at once, judged by samples/s, at least 24,576 samples or the data set.
"""

import math
from collections.abc import Collection
from typing import Literal, Self

from pydantic import Field, model_validator

from runs.phase import Phase
from runs.strict import Strict
from runs.units import Duration

QSL_SEED = 2085463073848966840
SAMPLE_INDEX_SEED = 2747215439041700203
SCHEDULE_SEED = 16159082839903944936
DURATION = 600.0
SAMPLES_A_QUERY = 8

_LEAST = {"single-stream": 64, "multi-stream": 662, "server": 100, "offline": 24_576}
"""Queries (offline: samples). SingleStream: the fewest that LoadGen's early stopping can bound a p90 with."""
_HEADROOM = 1.1
"""Offline: so many times as many samples as the expected rate works off in the duration, as LoadGen takes it."""

Kind = Literal["single-stream", "multi-stream", "server", "offline"]


class Scenario(Strict):
    """One scenario. Without `short` it is as long and has as many queries as the rules ask for, or more."""

    kind: Kind
    rate: float | None = Field(
        None, gt=0, description="server: queries/s that arrive; offline: samples/s that are expected"
    )
    short: bool = Field(False, description="shorter than the rules ask for: the run is marked as not conforming")
    duration: Duration | None = Field(None, gt=0, description="at least 600s unless short; default: 600s")
    queries: int | None = Field(None, ge=1, description="the fewest queries (offline: samples); default: the rules'")
    concurrency: int = Field(256, ge=1, le=10_000, description="offline: samples that are open at once")
    engine: Literal["auto", "own", "loadgen"] = Field(
        "auto",
        description="who schedules: mlcommons-loadgen (the extra `mlperf`) or our engine; auto: it, if installed",
    )

    samples: int = Field(1024, ge=1, description="loadgen: how many different samples there are")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        paced = self.kind in {"server", "offline"}
        if paced and self.rate is None:
            what = "queries/s that arrive" if self.kind == "server" else "samples/s that are expected"
            raise ValueError(f"{self.kind} needs a rate: the {what}")
        if not paced and self.rate is not None:
            raise ValueError(f"{self.kind} has no rate: the next query follows when the one before has ended")
        if not self.short and (self.duration or DURATION) < DURATION:
            raise ValueError(f"the rules ask for {DURATION:g} s: leave duration out, or set short: true")
        if not self.short and self.kind != "offline" and (self.queries or self.least) < self.least:
            raise ValueError(f"the rules ask for {self.least} queries: leave queries out, or set short: true")
        return self

    @property
    def least(self) -> int:
        """The fewest queries (offline: samples) that the rules ask for."""
        return _LEAST[self.kind]

    @property
    def seconds(self) -> float:
        """The least duration of this run."""
        return self.duration or DURATION

    @property
    def count(self) -> int:
        """The fewest queries (offline: the number of samples) of this run."""
        if self.kind != "offline":
            return self.queries or (1 if self.short else self.least)
        expected = math.ceil(_HEADROOM * (self.rate or 0.0) * self.seconds - 1e-6)
        return max(expected, self.queries or (1 if self.short else self.least))

    @property
    def phase(self) -> Phase:
        """The phase that our engine runs."""
        asked: dict[str, object] = {"name": self.kind, "measured": True, "for": self.seconds}
        if self.kind == "server":
            rate = self.rate or 1.0
            asked |= {"rate": rate, "arrival": "poisson", "for": max(self.seconds, self.count / rate)}
        elif self.kind == "offline":
            # It ends with its samples; the time is for a service that is four times as slow as expected.
            asked |= {"users": min(self.concurrency, self.count), "requests": self.count}
            asked |= {"for": 4.0 * max(self.seconds, self.count / (self.rate or 1.0))}
        else:
            asked |= {"users": 1, "batch": SAMPLES_A_QUERY if self.kind == "multi-stream" else 1}
        return Phase.model_validate(asked)

    def lacking(self, objectives: Collection[str]) -> str | None:
        """Return which objectives are missing to judge a server by; None: none is."""
        if self.kind != "server" or "latency_p99" in objectives or {"ttft_p99", "tpot_p99"} <= set(objectives):
            return None
        return "latency_p99 (language models: ttft_p99 and tpot_p99)"
