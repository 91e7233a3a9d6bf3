"""Objectives: bounds that a recipe sets, met or missed. A missed objective says nothing against the numbers."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from reports.evidence import Window
from reports.statistics import quantile

State = Literal["met", "missed", "not judged"]
_TIMES = ("latency", "service", "ttft", "itl", "tpot")
_PERCENTILE = re.compile(r"(latency|service|ttft|itl|tpot)_p(\d{2}(?:\.\d+)?)")
_EXAMPLES = (
    *(f"{name}_p{p}" for name in _TIMES for p in ("50", "90", "95", "99", "99.9")),
    *("error_rate", "rate", "tokens_rate", "recall", "recall_at_10"),
)


@dataclass(frozen=True)
class Objective:
    """One bound, the value that was measured, and how they compare. Base units."""

    name: str
    bound: float
    value: float | None
    state: State
    upper: bool
    reason: str = ""


def check(name: str) -> str | None:
    """Return None for a known objective, else the known name nearest to it."""
    if _PERCENTILE.fullmatch(name) or name in _EXAMPLES or re.fullmatch(r"recall_at_\d+", name):
        return None
    return difflib.get_close_matches(name, _EXAMPLES, n=1, cutoff=0.0)[0]


def judge(objectives: Mapping[str, float], window: Window) -> list[Objective]:
    """Hold each objective against the measured window."""
    return [_judge(name, bound, window) for name, bound in objectives.items()]


def _judge(name: str, bound: float, window: Window) -> Objective:
    if match := _PERCENTILE.fullmatch(name):
        samples = window.times(match[1])
        found = quantile(samples, float(match[2]) / 100)
        if found is None:
            return Objective(name, bound, None, "not judged", upper=True, reason=f"{len(samples)} samples are too few")
        return _compare(name, bound, found.value, upper=True)
    values: dict[str, tuple[Callable[[], float | None], bool]] = {
        "error_rate": (lambda: window.error_ratio, True),
        "rate": (lambda: window.completed_rate, False),
        "tokens_rate": (lambda: window.tokens_rate, False),
    }
    ask, upper = values.get(name, (lambda: window.recall, False))
    value = ask()
    if value is None:
        return Objective(name, bound, None, "not judged", upper=upper, reason="nothing was measured for it")
    return _compare(name, bound, value, upper=upper)


def _compare(name: str, bound: float, value: float, *, upper: bool) -> Objective:
    met = value <= bound if upper else value >= bound
    return Objective(name, bound, value, "met" if met else "missed", upper=upper)
