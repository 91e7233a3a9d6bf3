"""What a tool tells of many operations at once, where a record of each would be too much or is not there."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Aggregate(BaseModel):
    """Operations of one kind on one target in one phase; times in seconds.

    Percentiles are keyed by their share ("0.99"). Who prints one holds `count` against what it needs.
    """

    model_config = ConfigDict(extra="ignore")

    phase: str = Field("", description="filled in by the load")
    target: str = Field("", description="what was driven, where a phase drives several: tmpfs, shared, ...")
    operation: str = Field(description="read, write, GET, create, ...")
    time: str = Field("", description="which time the percentiles are of, in the tool's words")
    count: int = Field(ge=0, description="operations that succeeded")
    failed: int = Field(0, ge=0)
    seconds: float = Field(gt=0, description="how long they went on")
    bytes: int | None = Field(None, ge=0, description="moved by them")
    mean: float | None = None
    least: float | None = None
    most: float | None = None
    percentiles: dict[str, float] = Field(default_factory=dict)
    facts: dict[str, Any] = Field(default_factory=dict, description="how it was done: O_DIRECT, queue depth, ...")

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.count / self.seconds


def from_bins(bins: dict[float, int], shares: tuple[float, ...]) -> dict[str, float]:
    """Return percentiles (nearest rank) of a histogram whose bins are keyed by their value; empty for an empty one."""
    total = sum(bins.values())
    found: dict[str, float] = {}
    if not total:
        return found
    wanted = sorted(shares)
    passed, values = 0, sorted(bins.items())
    position = 0
    for share in wanted:
        rank = max(1, -int(-share * total // 1))  # the nearest-rank definition: ceil(share * n)
        while passed + values[position][1] < rank:
            passed += values[position][1]
            position += 1
        found[f"{share:g}"] = values[position][0]
    return found
