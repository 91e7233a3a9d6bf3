"""The search for the highest rate at which a service still meets the objectives."""

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from runs.objectives import highest
from runs.samples import needed
from runs.strict import Strict
from runs.units import Duration, ratio

_GROWS_WITH_RATE = ("rate", "tokens_rate")

Share = Annotated[
    float,
    BeforeValidator(ratio),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}], "description": "5% or 0.05"}),
]


class Search(Strict):
    """Probes at one rate after another: doubled until an objective breaks, then halving what lies between.

    Times in seconds, rates in requests/s. Each probe is an open loop of its own.
    """

    start: float = Field(5.0, gt=0, description="requests per second of the first probe")
    most: float = Field(500.0, gt=0, description="requests per second that are never exceeded")
    probe: Duration = Field(
        20.0, ge=1, description="how long a probe is measured; longer where an objective's percentile needs it"
    )
    settle: Duration = Field(3.0, ge=0, description="how long a rate is applied before it is measured")
    resolution: Share = Field(
        0.05, ge=0.005, le=1, description="how near the lowest failing rate must lie to the highest passing one"
    )
    confirm: int = Field(2, ge=1, le=20, description="how often the highest passing rate must pass in all")
    arrival: Literal["constant", "poisson"] = Field("poisson", description="spacing of the requests")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.most < self.start:
            raise ValueError(f"most is {self.most:g}, below start ({self.start:g}): no rate lies between")
        return self

    def doublings(self) -> Iterator[float]:
        """Yield the rates of the first part: from `start` on, doubled, to `most`."""
        rate = self.start
        while rate < self.most:
            yield rate
            rate *= 2
        yield self.most

    @property
    def halvings(self) -> int:
        """How many probes bring a factor of two down to the resolution."""
        return max(0, math.ceil(math.log2(1 / self.resolution) - 1e-9))

    @property
    def limit(self) -> int:
        """The most probes that are made, confirmations that fail included."""
        return len(list(self.doublings())) + 2 * self.halvings + 3 * self.confirm

    def seconds(self, rate: float, names: Iterable[str]) -> float:
        """Return how long a probe at `rate` is measured, for the objectives of these names.

        So long that it holds the samples that the highest percentile needs (`samples.needed`: 368 for a p99) in all
        but three of 100,000 Poisson counts: n + 4 sqrt(n).
        """
        p = highest(names)
        if p is None:
            return self.probe
        count = needed(p)
        return max(self.probe, (count + 4.0 * math.sqrt(count)) / rate)

    def longest(self, names: Iterable[str], drain: float) -> float:
        """Return what the search takes at most where every edge is found at once: no confirmation fails."""
        names, rates, worst, spent = tuple(names), list(self.doublings()), 0.0, 0.0
        for rate, below in zip(rates, [rates[0], *rates], strict=False):
            spent += self.settle + self.seconds(rate, names)
            each = self.settle + self.seconds(below, names)
            worst = max(worst, spent + drain + self.halvings * (each + drain) + (self.confirm - 1) * each)
        return worst


def judged(names: Iterable[str]) -> tuple[str, ...]:
    """Return the objectives that a probe is judged by: not those that a low rate cannot meet, whatever the service."""
    return tuple(name for name in names if name not in _GROWS_WITH_RATE)
