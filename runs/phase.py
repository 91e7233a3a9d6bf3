"""A stretch of load, and the ways to ask for one."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from runs.strict import Name, Strict
from runs.units import Duration

UNMEASURED = ("warmup", "warm-up", "ramp", "drain", "cooldown")
"""Phase names that are not part of the measured window unless the recipe says `measured: true`."""


class Ramp(Strict):
    """An open loop whose rate goes from one value to another in a straight line over the phase, in requests/s."""

    start: float = Field(alias="from", ge=0)
    end: float = Field(alias="to", ge=0)

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.start == self.end:
            raise ValueError(f"a ramp from {self.start:g} to {self.end:g} is no ramp: use `rate`")
        return self


def _step(value: object) -> object:
    return {"rate": value} if isinstance(value, (int, float, str)) and not isinstance(value, bool) else value


class Step(Strict):
    """One step of a staircase. Written as a number, it is the rate of a step as long as the phase's `for`."""

    rate: float = Field(gt=0, description="requests per second")
    duration: Duration | None = Field(None, alias="for", gt=0, description="default: the phase's `for`")


class Phase(Strict):
    """A stretch of load, at most `for` long.

    Open loop: one of `rate`, `ramp`, `steps`, `trace`. Closed loop: `users` that each wait for their answer.
    """

    name: Name
    duration: Duration = Field(alias="for", gt=0, description="how long the phase lasts at most")
    rate: float | None = Field(None, gt=0, description="open loop: requests per second")
    ramp: Ramp | None = Field(None, description="open loop: {from: 5, to: 50}, requests per second, over the phase")
    steps: tuple[Annotated[Step, BeforeValidator(_step)], ...] = Field(
        (), description="open loop: a phase for each of these rates, NAME-1, NAME-2 and so on, each as long as `for`"
    )
    trace: str | None = Field(None, description="open loop: a CSV or JSONL file of arrival times in seconds")
    time_scale: float = Field(1.0, gt=0, description="trace: its times are multiplied by this: 2 is half as fast")
    column: str | None = Field(None, description="trace: the column or key of the times; default: a usual name")
    arrival: Literal["constant", "poisson", "gamma"] = Field(
        "poisson", description="open loop: spacing of the requests"
    )
    burstiness: float = Field(
        1.0, ge=0.01, le=1000, description="gamma: shape of the gaps; 1 is Poisson, less comes in bursts"
    )
    users: int | None = Field(None, ge=1, description="closed loop: concurrent users")
    think: Duration = Field(0.0, ge=0, description="closed loop: pause between an answer and the next request")
    batch: int = Field(1, ge=1, le=1024, description="closed loop: requests that each user sends at once")
    stagger: Duration = Field(0.0, ge=0, description="closed loop: the users begin one by one over this time")
    requests: int | None = Field(None, ge=1, description="stop after so many requests")
    until: Literal["steady"] | None = Field(None, description="stop when latency and concurrency are steady")
    window: Duration = Field(10.0, ge=1, description="until steady: how long they must have been so")
    measured: bool | None = Field(None, description="part of the measured window; default: by the phase's name")

    @model_validator(mode="after")
    def _one_loop(self) -> Self:
        asked = [self.rate, self.ramp, self.steps or None, self.trace]
        if sum(way is not None for way in (*asked, self.users)) != 1:
            raise ValueError("give either rate, ramp, steps or trace (open loop) or users (closed loop)")
        return self

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        given = self.model_fields_set
        needs = {
            "burstiness": ("arrival: gamma", self.arrival == "gamma"),
            "time_scale": ("trace", self.trace is not None),
            "column": ("trace", self.trace is not None),
            "arrival": ("rate, ramp or steps", self.trace is None),
            "think": ("users", self.users is not None),
            "batch": ("users", self.users is not None),
            "stagger": ("users", self.users is not None),
            "window": ("until: steady", self.until is not None),
        }
        for key, (other, there) in needs.items():
            # A resolved recipe names every key: one that stands at its default asks for nothing.
            if key in given and not there and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} goes with {other} only")
        if self.batch > 1 and self.requests is not None:
            raise ValueError("batch and requests do not go together: end the phase by its time")
        if self.steps and len(self.name) > 36:
            raise ValueError("the name of a phase with steps has at most 36 characters: each step adds its number")
        if self.until is not None and self.window > self.duration:
            raise ValueError(f"window {self.window:g} s is longer than the phase: make `for` a few times as long")
        if self.until is not None and self.ramp is not None:
            raise ValueError("a ramp is never steady: leave `until` out")
        if self.stagger > self.duration / (10 if self.in_window else 1):
            raise ValueError(
                "stagger takes more than a tenth of a measured phase: begin the users in a warmup phase, they go on"
                if self.in_window
                else "stagger is longer than the phase"
            )
        return self

    @property
    def in_window(self) -> bool:
        """Whether this phase's requests count in the headline figures."""
        return self.name not in UNMEASURED if self.measured is None else self.measured

    @property
    def stages(self) -> "tuple[Phase, ...]":
        """The phases that are run: itself, or one for each of its steps."""
        if not self.steps:
            return (self,)
        own = {name: value for name, value in self if name in self.model_fields_set and name != "steps"}
        own["measured"] = self.in_window
        return tuple(
            Phase.model_validate(
                {**own, "name": f"{self.name}-{index}", "rate": step.rate, "duration": step.duration or self.duration}
            )
            for index, step in enumerate(self.steps, 1)
        )
