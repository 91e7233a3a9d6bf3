"""Why a panel is empty."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus import origins, promql
from prometheus.reasons import likely
from reports.dashboards import variables
from reports.dashboards.ask import Asker
from reports.dashboards.interpolate import Scope
from reports.dashboards.model import Target
from reports.dashboards.steps import duration
from runs.recipe import Recipe

SILENT = "nothing says why"
"""The reason of a panel that is empty for no reason that is known."""


@dataclass(frozen=True)
class Run:
    """What is known of the run whose recording is asked: its recipe, and why sources gave nothing, by their names."""

    recipe: Recipe
    reasons: Mapping[str, str] = field(default_factory=dict)


def why(targets: Sequence[Target], scope: Scope, asker: Asker, run: Run) -> str:
    """Say why queries have no answer: metrics that were not recorded, a variable without a value, a time before."""
    asked = "\n".join(target.expr for target in targets)
    if not asked.strip():
        return "its query is empty"
    if found := _missing(asked, scope, asker, run):
        return found
    for name, chosen in scope.chosen.items():
        if not chosen.values and variables.names_variable(asked, name):
            return f"the variable {name} has no value in this recording"
    for back in re.findall(r"\boffset\s+(\d+\w+)", asked):
        if (duration(back) or 0.0) >= asker.span.seconds:
            return f"it asks {back} back, before the recording begins"
    return SILENT


def _missing(asked: str, scope: Scope, asker: Asker, run: Run) -> str:
    metrics = promql.metrics(scope.with_own(__rate_interval="1m", __interval="1m").query(asked))
    absent = [metric for metric in metrics if metric not in asker.known]
    told: dict[origins.Origin | None, str | None] = {}
    for metric in absent:  # one reason for all that comes from the same place
        told.setdefault(origins.origin(metric), likely(metric, run.recipe, run.reasons))
    if reasons := list(dict.fromkeys(filter(None, told.values()))):
        return "; ".join(reasons[:3])
    if absent and len(absent) == len(metrics):
        return f"no target gave {' or '.join(absent[:3])}, and {SILENT}"
    return ""
