"""What watching cost: the CPU and the memory of Prometheus and all sidecars."""

from collections.abc import Sequence

import numpy as np

from reports.scrapes import Recorded
from reports.series import Grid
from reports.statistics import Floats
from runs.manifest import PhaseSpan

_WHO = '{service=~"prometheus|.*exporter.*"}'
_QUERIES = {
    "cpu_cores_mean": "sum by (service) (rate(process_tree_cpu_seconds_total%s[%s]))",
    "memory_bytes_mean": "sum by (service) (avg_over_time(process_tree_resident_memory_bytes%s[%s]))",
}
_SCRAPES = 4.0
"""Scrapes in the window of a rate: one may be missing."""


def cost(recorded: Recorded | None, grid: Grid, phases: Sequence[PhaseSpan]) -> dict[str, float | None]:
    """Return the means in `phases`, in cores and in bytes; None where nothing was recorded. Raises PrometheusError."""
    window = f"{max(1, round(1000 * max(_SCRAPES * grid.interval, grid.step)))}ms"
    return {name: _mean(recorded, grid, phases, query % (_WHO, window)) for name, query in _QUERIES.items()}


def _mean(recorded: Recorded | None, grid: Grid, phases: Sequence[PhaseSpan], expression: str) -> float | None:
    """Add up the means of the programs: one that came late or died counts while it lived."""
    if recorded is None or not len(grid.times):
        return None
    found = recorded.query_range(expression, float(grid.times[0]), float(grid.times[-1]), grid.step)
    known = [values for one in found if len(values := _inside(one.times, one.values, phases))]
    return float(sum(values.mean() for values in known)) if known else None


def _inside(times: Floats, values: Floats, phases: Sequence[PhaseSpan]) -> Floats:
    mask = np.zeros(len(times), dtype=np.bool_)
    for phase in phases:
        mask |= (times >= phase.started.timestamp()) & (times < phase.ended.timestamp())
    return values[mask & np.isfinite(values)]
