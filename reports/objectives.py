"""Objectives: bounds that a recipe sets, met or missed. A missed objective says nothing against the numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reports import operations
from reports.window import Window
from runs import objectives as known

State = Literal["met", "missed", "not judged"]

_READ: Mapping[str, Callable[[Window], float | None]] = {
    "error_rate": lambda window: window.error_ratio,
    "rate": lambda window: window.completed_rate,
    "tokens_rate": lambda window: window.tokens_rate("out"),
    "recall": lambda window: window.recall,
}


@dataclass(frozen=True)
class Objective:
    """One bound, the value that was measured, and how they compare. Base units; `reason` is why it was not judged."""

    name: str
    bound: float
    value: float | None
    state: State
    upper: bool
    unit: str
    reason: str = ""


def check(name: str) -> str | None:
    """Return None for a known objective, else the known name nearest to it."""
    return known.nearest(name) if known.parse(name) is None else None


def judge(bounds: Mapping[str, float], window: Window, options: Mapping[str, Any]) -> list[Objective]:
    """Hold each objective against the measured window. `options` are the load's own: `k` of a retrieval load."""
    return [_judge(name, bound, window, options.get("k")) for name, bound in bounds.items()]


def _judge(name: str, bound: float, window: Window, k: Any) -> Objective:
    bounded = known.parse(name)
    if bounded is None:
        return Objective(name, bound, None, "not judged", upper=True, unit="", reason="no such objective is known")
    if bounded.operation is not None:
        window = operations.of(window, bounded.operation)
        if not window.count:
            reason = f"no request was of the operation {bounded.operation}"
            return Objective(name, bound, None, "not judged", upper=bounded.upper, unit=bounded.unit, reason=reason)
    if bounded.p is not None:
        found = window.quantile(bounded.figure, bounded.p)
        if found is None:
            n = len(window.times(bounded.figure))
            reason = f"{n} samples are too few, {n + window.lacking(bounded.figure, bounded.p)} are needed"
            return Objective(name, bound, None, "not judged", upper=True, unit="s", reason=reason)
        return _compare(name, bound, found.value, upper=True, unit="s")
    value, reason = _READ[bounded.figure](window), "nothing was measured for it"
    if bounded.neighbours is not None and k is not None and str(k) != str(bounded.neighbours):
        value, reason = None, f"the load asked for {k} neighbours"
    if value is None:
        return Objective(name, bound, None, "not judged", upper=bounded.upper, unit=bounded.unit, reason=reason)
    return _compare(name, bound, value, upper=bounded.upper, unit=bounded.unit)


def _compare(name: str, bound: float, value: float, *, upper: bool, unit: str) -> Objective:
    met = value <= bound if upper else value >= bound
    return Objective(name, bound, value, "met" if met else "missed", upper=upper, unit=unit)
