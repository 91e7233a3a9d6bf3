"""A recording in, summary.json and report.html out."""

import contextlib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prometheus import replay, snapshot
from prometheus.client import Client, PrometheusError
from reports import cost, exact, html, summary, verdict
from reports import evidence as evidence_module
from reports.dashboards import archive, draw
from reports.dashboards.steps import Range
from reports.evidence import Evidence
from reports.series import Grid
from reports.words import display
from runs import atomic
from runs.directory import RunDirectory
from runs.manifest import ManifestError, Verdict

_BEFORE, _AFTER = 5.0, 3.0
"""Scrape intervals that are drawn before the first phase, and after the last phase and the last answer."""


class ReportError(Exception):
    """A recording cannot be judged; the text says why."""


def build(run: RunDirectory, scratch: Path) -> Verdict:
    """Judge `run` and write its summary and report; returns the verdict, which the caller keeps.

    Pieces may be missing (no block, no record, no phase): the verdict then says so. A Prometheus is started over a copy
    of the blocks below `scratch`. Raises ReportError (no readable manifest), PrometheusError, OSError.
    """
    judged, facts, page = rendered(run, scratch)
    atomic.write(run.summary, json.dumps(facts, indent=2, allow_nan=False) + "\n")
    atomic.write(run.report, page)
    return judged


def stamp(run: RunDirectory, timing: str, seconds: float) -> None:
    """Add a timing to the summary and the report of a run, which were written before it was known. Raises OSError."""
    if run.summary.is_file():
        facts = json.loads(run.summary.read_bytes())
        facts["timings_seconds"][timing] = seconds
        atomic.write(run.summary, json.dumps(facts, indent=2, allow_nan=False) + "\n")
    if run.report.is_file():
        page = run.report.read_text(encoding="utf-8")
        row = f"<tr><td>{timing.replace('_', ' ')}</td><td>{display(seconds, 's')}</td></tr>"
        atomic.write(run.report, page.replace(html.LATER, row, 1))


def rendered(run: RunDirectory, scratch: Path, more: Sequence[Path] = ()) -> tuple[Verdict, dict[str, Any], str]:
    """Judge `run` and return the verdict, its summary and its report, which also draws the dashboards of `more`.

    Nothing of the recording is written. Raises as `build` does.
    """
    try:
        with _recorded(run, scratch) as recorded:
            evidence = evidence_module.gather(run, recorded)
            judged = verdict.judge(evidence)
            grid = _grid(run, evidence)
            files = [*archive.archived(run.dashboards), *more]
            recorder = cost.cost(recorded, grid, evidence.measured.phases)
            boards = archive.gather(files, recorded, _range(grid), evidence.recipe, evidence.sources)
    except ManifestError as error:
        raise ReportError(str(error)) from error
    except ValidationError as error:
        raise ReportError(f"{run.manifest} holds no recipe that this version reads: {error}") from error
    drawing = html.Drawing(grid, tuple(exact.charts(evidence, grid)), boards)
    facts = summary.summarise(evidence, judged)
    fired = evidence.alerts
    facts["alerts"] = None if fired is None else [one.row() for one in fired]
    facts["recorder"] = recorder
    facts["dashboards"] = [draw.summary(one) for one in boards.drawn]
    recipe = run.recipe.read_text(encoding="utf-8", errors="replace") if run.recipe.is_file() else ""
    return judged, facts, html.render(evidence, judged, facts, drawing, recipe)


def _range(grid: Grid) -> Range:
    """Return what dashboards show: the same time as the charts."""
    start, end = (float(grid.times[0]), float(grid.times[-1])) if len(grid.times) else (0.0, 1.0)
    return Range(start, end, grid.interval)


@contextlib.contextmanager
def _recorded(run: RunDirectory, scratch: Path) -> Iterator[Client | None]:
    try:
        empty = not snapshot.blocks(run.tsdb)
    except PrometheusError:  # a block that is not whole cannot be opened; the others cannot be told from it
        empty = True
    if empty:
        yield None
        return
    with replay.open_blocks(run.tsdb, scratch) as opened:
        yield opened.client


def _grid(run: RunDirectory, evidence: Evidence) -> Grid:
    """Cover the phases with a little around them, or all that was recorded where no phase began.

    The steps begin with the first phase, so that phases of whole seconds share no step.
    """
    interval, phases = evidence.recipe.watch.interval, evidence.manifest.phases
    if phases:
        start = math.floor(1000.0 * (phases[0].started.timestamp() - _BEFORE * interval)) / 1000.0
        done = evidence.requests.at("done")
        end = max(phases[-1].ended.timestamp(), float(done.max()) if len(done) else 0.0)
        return Grid.over(start, end + _AFTER * interval, interval)
    with contextlib.suppress(PrometheusError):
        if blocks := snapshot.blocks(run.tsdb):
            first, last = min(block.start for block in blocks), max(block.end for block in blocks)
            return Grid.over(float(math.floor(first)), last, interval)
    return Grid.over(0.0, -interval, interval)
