"""The objectives that a recipe may set: their names, and what each bounds. Judging them is others' work."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

TIMES = ("latency", "service", "ttft", "itl", "tpot")
_PERCENTILE = re.compile(rf"({'|'.join(TIMES)})_p(\d{{1,2}}(?:\.\d{{1,3}})?)")
_RECALL = re.compile(r"recall_at_([1-9]\d*)")
_FIGURES = {
    "error_rate": ("ratio", True),
    "rate": ("req/s", False),
    "tokens_rate": ("tokens/s", False),
    "recall": ("ratio", False),
}
_EXAMPLES = (
    *(f"{name}_p{p}" for name in TIMES for p in ("50", "90", "95", "99", "99.9")),
    *_FIGURES,
    *("recall_at_1", "recall_at_10", "recall_at_100"),
)


@dataclass(frozen=True)
class Bounded:
    """What an objective bounds: quantile `p` of a time, or a figure; `upper`: by an upper bound. Base units.

    `neighbours`: the recall is that at so many. `operation`: of the requests of that operation only.
    """

    figure: str
    unit: str
    upper: bool
    p: float | None = None
    neighbours: int | None = None
    operation: str | None = None


def parse(name: str) -> Bounded | None:
    """Return what the objective of that name bounds; None: no such objective is known.

    `latency_p99@GET` is that of the operation GET, `recall_at_10@ef_search=40` that of a value of a sweep.
    """
    name, at, operation = name.partition("@")
    found = _parse(name)
    if not at or found is None:
        return found
    return replace(found, operation=operation) if operation else None


def _parse(name: str) -> Bounded | None:
    if (match := _PERCENTILE.fullmatch(name)) and 0.0 < float(match[2]) < 100.0:
        return Bounded(match[1], "s", upper=True, p=float(match[2]) / 100)
    if match := _RECALL.fullmatch(name):
        return Bounded("recall", "ratio", upper=False, neighbours=int(match[1]))
    if name in _FIGURES:
        unit, upper = _FIGURES[name]
        return Bounded(name, unit, upper)
    return None


def nearest(name: str) -> str:
    """Return the known objective whose name is nearest."""
    return difflib.get_close_matches(name, _EXAMPLES, n=1, cutoff=0.0)[0]


def highest(names: Iterable[str]) -> float | None:
    """Return the percentile (0 to 1) that needs the most samples; None where no objective is one."""
    known = [found.p for name in names if (found := parse(name)) is not None and found.p is not None]
    return max(known, key=lambda p: max(p, 1.0 - p), default=None)
