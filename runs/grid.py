"""The grid of a sweep: keys of a recipe, and the values that each of them takes."""

import itertools
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

MOST = 1000
"""Runs of one sweep: more is a mistake in a list, not a benchmark."""

_OURS = ("name", "sweep", "repeats")


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        for key, values in value.items():
            if not isinstance(values, (list, tuple)) or not values:
                raise ValueError(f"{key} has no list of values: write `{key}: [1, 2, 4]`")
    return value


def _usable(value: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    for key, values in value.items():
        if key.partition(".")[0] in _OURS:
            raise ValueError(f"{key} cannot be swept: {', '.join(_OURS)} are the same for all runs of a sweep")
        texts = [json.dumps(each, sort_keys=True, default=str) for each in values]
        if twice := [text for text in texts if texts.count(text) > 1]:
            raise ValueError(f"{key} has {twice[0]} twice: `repeats` says how often each is run")
    for one, two in itertools.permutations(value, 2):
        if two.startswith(f"{one}."):
            raise ValueError(f"{one} and {two} cannot both be swept: one is a part of the other")
    if (count := size(value)) > MOST:
        raise ValueError(f"the grid has {count} points, {MOST} at most make a sweep")
    return value


Grid = Annotated[
    dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]], BeforeValidator(_lists), AfterValidator(_usable)
]


def size(grid: Mapping[str, tuple[Any, ...]]) -> int:
    """Return how many points a grid has; an empty one has one."""
    count = 1
    for values in grid.values():
        count *= len(values)
    return count


def points(grid: Mapping[str, tuple[Any, ...]]) -> list[dict[str, int]]:
    """Return every point as the index of each key's value, the last key's changing first."""
    return [
        dict(zip(grid, indices, strict=True)) for indices in itertools.product(*(range(len(v)) for v in grid.values()))
    ]
