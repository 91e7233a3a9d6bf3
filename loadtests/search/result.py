"""What a search found, as result.json keeps it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from loadtests.search.ladder import End


class Judged(BaseModel):
    """One objective in one probe, in base units. `value` is null where too little was measured (`reason`)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    bound: float
    value: float | None
    unit: str
    upper: bool
    met: bool
    reason: str = ""


class Probe(BaseModel):
    """One rate that was tried, by the requests intended in it; rates in requests/s.

    `broke`: the objectives that were missed, and `errors` (over 1 % failed), `keeping_up` (the service answered more
    slowly than requests came) or `client` (it was the load that could not send in time).
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = Field(description="the phase")
    rate: float
    seconds: float
    requests: int
    failed: int
    offered: float = Field(description="requests intended, a second")
    achieved: float = Field(description="good answers that were whole inside the probe, a second")
    goodput: float = Field(description="requests within all bounds of a single request, a second")
    passed: bool
    broke: list[str] = Field(default_factory=list)
    objectives: list[Judged] = Field(default_factory=list)
    void: bool = Field(False, description="made again, since the client was late: it counts for nothing")
    at_edge: bool = False

    @property
    def failed_it(self) -> bool:
        """Whether the rate failed by it."""
        return not self.passed and not self.void


class Found(BaseModel):
    """The outcome of a search; rates in requests/s, `broke` is of the lowest failing rate."""

    model_config = ConfigDict(extra="ignore")

    state: End | Literal["interrupted"]
    highest_passing: float | None = None
    lowest_failing: float | None = None
    broke: list[str] = Field(default_factory=list)
    goodput: float | None = Field(None, description="at the highest passing rate")
    achieved: float | None = Field(None, description="at the highest passing rate")
    monotonic: bool = True
    resolution: float
    confirm: int
    probes: list[Probe] = Field(default_factory=list)
