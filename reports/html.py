"""The report: one page that needs nothing but a browser, now and in ten years."""

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from reports import objectives
from reports.evidence import Evidence
from reports.series import GROUPS, Chart, Grid, Line
from reports.summary import display
from runs.manifest import Verdict


@dataclass(frozen=True)
class Drawing:
    """What is drawn: the shared time axis, the charts, and the titles of those without data."""

    grid: Grid
    charts: tuple[Chart, ...]
    absent: tuple[str, ...]


def render(evidence: Evidence, verdict: Verdict, facts: dict[str, Any], drawing: Drawing, recipe: str) -> str:
    """Return the page."""
    manifest = evidence.manifest
    limits = objectives.judge(evidence.recipe.objectives, evidence.measured)
    return _template().render(
        manifest=manifest,
        verdict=verdict,
        facts=facts,
        objectives=[_objective(item) for item in limits],
        coverage=evidence.coverage,
        groups=[(name, title, _cards(drawing, name)) for name, title in GROUPS.items()],
        absent=drawing.absent,
        recipe=recipe,
        load=evidence.load_result,
        windows=[(phase, facts["phases"][phase.name]) for phase in manifest.phases],
        data=_data(evidence, drawing),
        display=display,
        css=_asset("uPlot.min.css") + _asset("report.css"),
        js=_asset("uPlot.iife.min.js") + _asset("report.js"),
    )


def _cards(drawing: Drawing, group: str) -> list[dict[str, Any]]:
    """Return the charts of a group with the figures that stand in for them where pictures are no help."""
    return [
        {"index": index, "chart": chart, "rows": [_row(line, chart.unit) for line in chart.lines]}
        for index, chart in enumerate(drawing.charts)
        if chart.group == group
    ]


def _row(line: Line, unit: str) -> tuple[str, str, str, str]:
    known = line.values[~np.isnan(line.values)]
    if not len(known):
        return line.name, "-", "-", "-"
    low, mean, high = (quantity(float(value), unit) for value in (known.min(), known.mean(), known.max()))
    return line.name, low, mean, high


def _objective(item: objectives.Objective) -> dict[str, str]:
    unit = "s" if "_p" in item.name else "ratio" if "rate" not in item.name or item.name == "error_rate" else "/s"
    return {
        "name": item.name,
        "state": item.state,
        "bound": f"{'at most' if item.upper else 'at least'} {display(item.bound, unit)}",
        "value": item.reason if item.value is None else display(item.value, unit),
    }


def quantity(value: float, unit: str) -> str:
    """Write a value of a chart, bytes in binary multiples."""
    if unit.startswith("bytes"):
        for power, word in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
            if abs(value) >= 2**power:
                return f"{value / 2**power:.3g} {word}{unit[5:]}"
        return f"{value:.0f} B{unit[5:]}"
    if unit in {"s", "ratio"}:
        return display(value, unit)
    return f"{value:.3g} {unit}".strip()


def _data(evidence: Evidence, drawing: Drawing) -> Markup:
    """Return the figures of all charts as JSON that cannot end its script element, whatever names hold."""
    data = {
        "times": [round(float(time), 3) for time in drawing.grid.times],
        "phases": [
            {"name": p.name, "measured": p.measured, "start": p.started.timestamp(), "end": p.ended.timestamp()}
            for p in evidence.manifest.phases
        ],
        "charts": [
            {
                "title": chart.title,
                "unit": chart.unit,
                "lines": [{"name": line.name, "values": [_short(v) for v in line.values]} for line in chart.lines],
            }
            for chart in drawing.charts
        ],
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def _short(value: float) -> float | int | None:
    """Round to six significant digits: more than a screen can show, half the size."""
    if math.isnan(value):
        return None
    rounded = float(f"{value:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


@cache
def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("reports", "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html.j2")


@cache
def _asset(name: str) -> Markup:
    return Markup((resources.files("reports") / "assets" / name).read_text(encoding="utf-8"))  # noqa: S704 - our file
