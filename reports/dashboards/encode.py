"""Figures made small: rounded numbers, time axes that panels share, and the whole compressed into text."""

import base64
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reports.statistics import Floats

DIGITS = 6
"""Significant digits of a drawn value: more than a screen can show."""


@dataclass
class Axes:
    """The time axes of a dashboard; panels name them by their number. A regular one is [start, step, count]."""

    wire: list[list[float]] = field(default_factory=list)
    _known: dict[tuple[float, ...], int] = field(default_factory=dict)

    def add(self, times: Floats) -> int:
        """Keep an axis; returns its number."""
        steps = np.diff(times)
        step = float(steps[0]) if len(steps) else 1.0
        if not len(times):
            found = [0.0, 1.0, 0]
        elif np.allclose(steps, step, rtol=0, atol=1e-4):
            found = [round(float(times[0]), 3), round(step, 3), len(times)]
        else:
            found = [0.0, 0.0, len(times), *(round(float(time), 3) for time in times)]
        key = tuple(found)
        if key not in self._known:
            self._known[key] = len(self.wire)
            self.wire.append(found)
        return self._known[key]


def union(parts: Iterable[Floats], steps: Sequence[Any]) -> Floats:
    """Return one axis that holds the moments of all parts: a regular one where they fit the finest of `steps`.

    A step has `start`, `seconds` and `count`. Gaps in what was recorded stay gaps only on a regular axis.
    """
    times = np.unique(np.round(np.concatenate([*parts, np.zeros(0)]), 3))
    if not len(times) or not steps:
        return times
    finest = min(steps, key=lambda step: step.seconds)
    places = (times - finest.start) / finest.seconds
    if np.abs(places - np.rint(places)).max() * finest.seconds > 0.002:
        return times
    first, last = int(np.rint(places[0])), int(np.rint(places[-1]))
    first, last = min(first, 0), max(last, finest.count - 1)
    found: Floats = np.round(finest.start + np.arange(first, last + 1) * finest.seconds, 3)
    return found


def spread(times: Floats, values: Floats, axis: Floats) -> Floats:
    """Put values at their places of an axis; NaN where there is none."""
    found = np.full(len(axis), np.nan)
    places = np.clip(np.searchsorted(axis, times - 0.002), 0, len(axis) - 1)
    found[places] = values
    return found


def numbers(values: Floats) -> list[float | int | None]:
    """Round to DIGITS significant digits; None for what is no number."""
    return [short(value) for value in values.tolist()]


def short(value: float | None, digits: int = DIGITS) -> float | int | None:
    """Round one number; None for None, NaN and infinities, which JSON has not."""
    if value is None or value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def packed(wire: object) -> str:
    """Return JSON, compressed and in base64: a text that no script element ends on."""
    text = json.dumps(wire, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()
