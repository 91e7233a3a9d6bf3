"""Sizes of objects, constant or by a distribution."""

import math
from statistics import NormalDist
from typing import Literal, Self

from pydantic import Field, model_validator

from runs.recipe import Strict
from runs.units import Bytes, size

LARGEST = 2**30
_QUANTILES = 100


class Sizes(Strict):
    """Keys of `size`, where it is no constant. An object's size is one of 100 quantiles of the distribution."""

    kind: Literal["uniform", "lognormal", "choice"] = Field("lognormal", description="the distribution")
    min: Bytes = Field(1, ge=0, le=LARGEST, description="smallest size")
    max: Bytes = Field(16 * 2**20, ge=1, le=LARGEST, description="largest size")
    median: Bytes = Field(64 * 2**10, ge=1, le=LARGEST, description="lognormal: as many objects are smaller as larger")
    sigma: float = Field(1.0, ge=0, le=5, description="lognormal: standard deviation of the size's natural logarithm")
    of: dict[str, int] = Field(default_factory=dict, description="choice: {4KiB: 80, 1MiB: 20}, sizes with weights")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        if (self.kind == "choice") != bool(self.of):
            raise ValueError("`of` goes with kind: choice, for example {kind: choice, of: {4KiB: 80, 1MiB: 20}}")
        if self.of and (min(self.of.values()) < 0 or sum(self.of.values()) <= 0):
            raise ValueError("weights in `of` are whole numbers of 0 or more, not all 0")
        if any(not 0 <= size(name) <= LARGEST for name in self.of):
            raise ValueError(f"sizes in `of` are 0 to {LARGEST} bytes")
        return self

    def quantiles(self) -> list[int]:
        """Return the 100 sizes in bytes, ascending."""
        shares = [(index + 0.5) / _QUANTILES for index in range(_QUANTILES)]
        if self.kind == "uniform":
            return [round(self.min + (self.max - self.min) * share) for share in shares]
        if self.kind == "lognormal":
            normal = NormalDist(math.log(self.median), self.sigma) if self.sigma else None
            sizes = [math.exp(normal.inv_cdf(share)) if normal else self.median for share in shares]
            return [round(min(max(value, self.min), self.max)) for value in sizes]
        weights = sorted((size(name), weight) for name, weight in self.of.items() if weight)
        total, reached, result = sum(weight for _, weight in weights), 0, []
        for value, weight in weights:
            before, reached = reached, reached + weight
            result += [value] * sum(before / total <= share < reached / total for share in shares)
        return result
