"""The report: one page that needs nothing but a browser, now and in ten years."""

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from reports import coverage, objectives, search, tools
from reports import verdict as rules
from reports.dashboards.archive import Boards
from reports.evidence import Evidence
from reports.series import Chart, Grid, Line
from reports.statistics import needed
from reports.window import TIMES
from reports.words import clock, count, display, ended_with
from runs.manifest import Finding, Verdict

STYLES = ("uPlot.min.css", "report.css", "boards.css")
SCRIPTS = ("uPlot.iife.min.js", "report.js")
"""What each page has; one with dashboards also `boards.js` and the files panel-*.js, a kind of panel each."""


@dataclass(frozen=True)
class Drawing:
    """What is drawn: the shared time axis, the charts of the records, and Grafana's dashboards."""

    grid: Grid
    charts: tuple[Chart, ...]
    boards: Boards = field(default_factory=Boards)


LATER = "<!-- more timings -->"
"""Where the report takes timings that are known when it is written already."""


def render(evidence: Evidence, verdict: Verdict, facts: Mapping[str, Any], drawing: Drawing, recipe: str) -> str:
    """Return the page. `facts` are those of summary.json, `recipe` is the text as it was written."""
    manifest = evidence.manifest
    limits = objectives.judge(evidence.recipe.objectives, evidence.measured, evidence.recipe.load.options)
    styles = "".join(map(_asset, STYLES))
    scripts = "".join(map(_asset, _scripts(drawing)))
    return _template().render(
        manifest=manifest,
        verdict=verdict,
        word=word(verdict),
        plain=plain(evidence, verdict),
        findings=[(finding, _facts(finding)) for finding in verdict.findings],
        dead=[(process, rules.moment(evidence, process.ended)) for process in rules.dead(evidence)],
        last_words=rules.moment(evidence, manifest.ended),
        facts=facts,
        objectives=limits,
        search=search.table(evidence),
        sources=coverage.rows(evidence.sources),
        most_rows=coverage.MOST_ROWS,
        totals=coverage.totals(evidence.sources),
        interval=evidence.recipe.watch.interval,
        charts=_cards(drawing),
        boards=drawing.boards,
        recipe=recipe,
        load=evidence.recipe.load,
        windows=[(phase, facts["phases"][phase.name]) for phase in manifest.phases],
        times=TIMES,
        data=_data(evidence, drawing),
        display=display,
        moment=_moment,
        count=count,
        ended_with=ended_with,
        needed=needed,
        later=Markup(LATER),  # noqa: S704 - a comment
        styles=Markup(styles),  # noqa: S704 - our own files
        scripts=Markup(scripts),  # noqa: S704 - our own files
        style_hash=_hash(styles),
        script_hash=_hash(scripts),
    )


def word(verdict: Verdict) -> str:
    """Return the verdict in one word."""
    return "VALID" if verdict.valid else "INVALID"


def plain(evidence: Evidence, verdict: Verdict) -> str:
    """Return the verdict in one sentence."""
    if not evidence.measured.count and not tools.measured(evidence):
        return "There is nothing to believe: no request was recorded in a measured phase."
    if not verdict.valid:
        reasons = sum(finding.level == "invalid" for finding in verdict.findings)
        return f"Do not use these numbers: {count(reasons, 'reason')} below."
    if verdict.findings:
        return f"These numbers may be believed, with {count(len(verdict.findings), 'reserve')}."
    return "Nothing was found that speaks against these numbers."


def _moment(seconds: float) -> str:
    return clock(datetime.fromtimestamp(seconds, UTC))


def _facts(finding: Finding) -> str:
    """Write the numbers of a finding in one line."""
    return " · ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in finding.evidence.items())


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {number}" for key, number in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)


def _cards(drawing: Drawing) -> list[tuple[Chart, list[tuple[str, str, str, str]]]]:
    """Return the charts with the figures that stand in for them where pictures are no help."""
    return [(chart, [_row(line, chart.unit) for line in chart.lines]) for chart in drawing.charts]


def _row(line: Line, unit: str) -> tuple[str, str, str, str]:
    known = line.values[~np.isnan(line.values)]
    if not len(known):
        return line.name, "-", "-", "-"
    low, mean, high = (display(float(value), unit) for value in (known.min(), known.mean(), known.max()))
    return line.name, low, mean, high


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


def _hash(text: str) -> str:
    """Return a text's digest as a Content-Security-Policy takes it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("reports", "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html.j2")


def _scripts(drawing: Drawing) -> list[str]:
    if not drawing.boards.drawn:
        return list(SCRIPTS)
    names = (entry.name for entry in (resources.files("reports") / "assets").iterdir())
    kinds = sorted(name for name in names if name.startswith("panel-") and name.endswith(".js"))
    return [*SCRIPTS, "units.js", "boards.js", "over-time.js", *kinds, "boards-start.js"]


@cache
def _asset(name: str) -> str:
    return (resources.files("reports") / "assets" / name).read_text(encoding="utf-8")
