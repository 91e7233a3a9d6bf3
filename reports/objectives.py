"""Objectives: bounds that a recipe sets, met or missed. A missed objective says nothing against the numbers."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reports.window import Window

State = Literal["met", "missed", "not judged"]
_TIMES = ("latency", "service", "ttft", "itl", "tpot")
_PERCENTILE = re.compile(rf"({'|'.join(_TIMES)})_p(\d{{1,2}}(?:\.\d{{1,3}})?)")
_RECALL = re.compile(r"recall_at_([1-9]\d*)")


@dataclass(frozen=True)
class _Figure:
    """An objective that is no percentile: how it is read off a window, its unit, and whether the bound is an upper."""

    read: Callable[[Window], float | None]
    unit: str
    upper: bool


_FIGURES: Mapping[str, _Figure] = {
    "error_rate": _Figure(lambda window: window.error_ratio, "ratio", upper=True),
    "rate": _Figure(lambda window: window.completed_rate, "req/s", upper=False),
    "tokens_rate": _Figure(lambda window: window.tokens_rate("out"), "tokens/s", upper=False),
    "recall": _Figure(lambda window: window.recall, "ratio", upper=False),
}
_EXAMPLES = (
    *(f"{name}_p{p}" for name in _TIMES for p in ("50", "90", "95", "99", "99.9")),
    *_FIGURES,
    *("recall_at_1", "recall_at_10", "recall_at_100"),
)


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
    match = _PERCENTILE.fullmatch(name)
    if name in _FIGURES or _RECALL.fullmatch(name) or (match and 0.0 < float(match[2]) < 100.0):
        return None
    return difflib.get_close_matches(name, _EXAMPLES, n=1, cutoff=0.0)[0]


def judge(bounds: Mapping[str, float], window: Window, options: Mapping[str, Any]) -> list[Objective]:
    """Hold each objective against the measured window. `options` are the load's own: `k` of a retrieval load."""
    return [_judge(name, bound, window, options.get("k")) for name, bound in bounds.items()]


def _judge(name: str, bound: float, window: Window, k: Any) -> Objective:
    if check(name) is not None:
        return Objective(name, bound, None, "not judged", upper=True, unit="", reason="no such objective is known")
    if match := _PERCENTILE.fullmatch(name):
        found = window.quantile(match[1], float(match[2]) / 100)
        if found is None:
            n = len(window.times(match[1]))
            reason = f"{n} samples are too few, {n + window.lacking(match[1], float(match[2]) / 100)} are needed"
            return Objective(name, bound, None, "not judged", upper=True, unit="s", reason=reason)
        return _compare(name, bound, found.value, upper=True, unit="s")
    figure = _FIGURES["recall" if _RECALL.fullmatch(name) else name]
    value, reason = figure.read(window), "nothing was measured for it"
    if (match := _RECALL.fullmatch(name)) and k is not None and match[1] != str(k):
        value, reason = None, f"the load asked for {k} neighbours"
    if value is None:
        return Objective(name, bound, None, "not judged", upper=figure.upper, unit=figure.unit, reason=reason)
    return _compare(name, bound, value, upper=figure.upper, unit=figure.unit)


def _compare(name: str, bound: float, value: float, *, upper: bool, unit: str) -> Objective:
    met = value <= bound if upper else value >= bound
    return Objective(name, bound, value, "met" if met else "missed", upper=upper, unit=unit)
