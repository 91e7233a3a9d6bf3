"""Lengths in tokens: always the same, or drawn from a distribution."""

import math
import random
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from runs.recipe import Strict

LONGEST = 1_000_000
"""Tokens: no length is longer."""


class Length(Strict):
    """A distribution of lengths in tokens."""

    distribution: Literal["constant", "uniform", "lognormal"] = Field(
        "lognormal", description="constant: always `mean`; uniform: all whole numbers from min to max alike"
    )
    mean: float | None = Field(None, ge=1, le=LONGEST, description="tokens: the mean, before min and max cut it")
    sigma: float = Field(
        0.5, gt=0, le=4, description="lognormal: standard deviation of the logarithm; 0.5: the middle 68 % within x1.65"
    )
    min: int = Field(1, ge=1, le=LONGEST, description="tokens: no length is shorter")
    max: int = Field(LONGEST, ge=1, le=LONGEST, description="tokens: no length is longer")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        # A resolved recipe holds every key: what stands at its default was not asked for.
        changed = {key for key in ("mean", "sigma", "min", "max") if getattr(self, key) != _default(key)}
        if self.min > self.max:
            raise ValueError(f"min {self.min} is larger than max {self.max}")
        if self.distribution == "uniform":
            if "max" not in changed:
                raise ValueError("uniform needs `max` (and `min`, by default 1)")
            if changed & {"mean", "sigma"}:
                raise ValueError("uniform has no mean and no sigma: leave them out")
            return self
        if self.mean is None:
            raise ValueError(f"{self.distribution} needs `mean`")
        if self.distribution == "constant" and changed & {"sigma", "min", "max"}:
            raise ValueError("constant has neither sigma, min nor max: leave them out")
        if self.distribution == "constant" and self.mean != round(self.mean):
            raise ValueError(f"{self.mean:g} is no whole number of tokens")
        if not self.min <= self.mean <= self.max:
            raise ValueError(f"mean {self.mean:g} is not between min {self.min} and max {self.max}")
        return self

    def draw(self, numbers: random.Random) -> int:
        """Return one length, in tokens. A constant one takes nothing from `numbers`.

        Lognormal: exp of a normal number of mean ln(mean) - sigma^2/2, so that `mean` is the mean of the lengths.
        """
        if self.distribution == "uniform":
            return numbers.randint(self.min, self.max)
        assert self.mean is not None  # noqa: S101 - asked before
        if self.distribution == "constant":
            return round(self.mean)
        drawn = numbers.lognormvariate(math.log(self.mean) - self.sigma**2 / 2, self.sigma)
        return max(self.min, min(self.max, round(drawn)))


def _default(key: str) -> Any:
    return Length.model_fields[key].default


def constant(tokens: int) -> Length:
    """Return the length that is always `tokens`."""
    return Length.model_validate({"distribution": "constant", "mean": tokens})


def _read(value: Any) -> Any:
    """Read a bare number as a constant length."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {"distribution": "constant", "mean": value} if number else value


Tokens = Annotated[
    Length,
    BeforeValidator(_read),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": LONGEST}, Length.model_json_schema()]},
    ),
]
"""A number of tokens, or a distribution of them."""
