"""Grafana's calculations: a column of numbers to one. NaN is no value: it is left out of all of them.

Names after https://grafana.com/docs/grafana/latest/panels-visualizations/query-transform-data/calculation-types/
"""

import re
from collections.abc import Callable, Mapping

import numpy as np

from reports.statistics import Floats


def reduce(calc: str, values: Floats) -> float | None:
    """Return a calculation over values in the order of time; None where there is none, or Grafana's word is unknown."""
    known = values[~np.isnan(values)]
    if calc in _OF_ALL:
        return _OF_ALL[calc](values)
    if percentile := re.fullmatch(r"p(\d{1,2})", calc):
        return float(np.percentile(known, int(percentile[1]))) if len(known) else None
    function = _OF_KNOWN.get(calc)
    return float(function(known)) if function is not None and len(known) else None


def title(calc: str) -> str:
    """Return what Grafana calls a calculation."""
    return _TITLES.get(calc, calc.capitalize())


def _edge(values: Floats, place: int) -> float | None:
    return None if not len(values) or np.isnan(values[place]) else float(values[place])


def _delta(values: Floats) -> float:
    """Return how much a counter counted: steps down are resets."""
    steps = np.diff(values)
    return float(steps[steps > 0].sum() + values[1:][steps < 0].sum())


_OF_ALL: Mapping[str, Callable[[Floats], float | None]] = {
    "first": lambda values: _edge(values, 0),
    "last": lambda values: _edge(values, -1),
    "countAll": lambda values: float(len(values)),
    "count": lambda values: float(np.count_nonzero(~np.isnan(values))),
    "allIsNull": lambda values: float(bool(np.isnan(values).all())),
    "allIsZero": lambda values: float(bool(len(values)) and bool((values == 0.0).all())),
}
_OF_KNOWN: Mapping[str, Callable[[Floats], float | np.floating]] = {
    "lastNotNull": lambda known: known[-1],
    "firstNotNull": lambda known: known[0],
    "min": np.min,
    "max": np.max,
    "mean": np.mean,
    "sum": np.sum,
    "range": np.ptp,
    "delta": _delta,
    "step": lambda known: np.min(np.diff(known)) if len(known) > 1 else 0.0,
    "diff": lambda known: known[-1] - known[0],
    "diffperc": lambda known: (known[-1] - known[0]) / known[0] if known[0] else 0.0,
    "logmin": lambda known: np.min(known[known > 0], initial=np.inf),
    "median": np.median,
    "variance": np.var,
    "stdDev": np.std,
    "changeCount": lambda known: float(np.count_nonzero(np.diff(known))),
    "distinctCount": lambda known: float(len(np.unique(known))),
}
_TITLES = {
    "lastNotNull": "Last *",
    "firstNotNull": "First *",
    "sum": "Total",
    "diff": "Difference",
    "diffperc": "Difference percent",
    "stdDev": "Std deviation",
    "countAll": "Count all",
    "changeCount": "Change count",
    "distinctCount": "Distinct count",
}
CALCS = frozenset({*_OF_ALL, *_OF_KNOWN})
"""Calculations by Grafana's ids; beside them p1 to p99."""
