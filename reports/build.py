"""A recording in, summary.json and report.html out."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from prometheus import replay, snapshot
from prometheus.client import Client
from reports import evidence as evidence_module
from reports import html, series, summary, verdict
from reports.series import Grid
from runs import atomic
from runs.directory import RunDirectory
from runs.manifest import Manifest, Verdict


class ReportError(Exception):
    """A recording cannot be judged; the text says why."""


def build(run: RunDirectory, scratch: Path) -> Verdict:
    """Judge `run` and write its summary and report; returns the verdict.

    Pieces may be missing (no block, no record, no phase): the verdict then says so. Raises OSError, PrometheusError.
    """
    with _series(run, scratch) as client:
        evidence = evidence_module.gather(run, client)
        judged = verdict.judge(evidence)
        grid = _grid(run, evidence.manifest, evidence.recipe.watch.interval)
        charts, absent = series.charts(evidence, client, grid)
    facts = summary.summarise(evidence, judged)
    atomic.write(run.summary, json.dumps(facts, indent=2) + "\n")
    recipe = run.recipe.read_text(encoding="utf-8", errors="replace") if run.recipe.is_file() else ""
    page = html.render(evidence, judged, facts, html.Drawing(grid, tuple(charts), tuple(absent)), recipe)
    atomic.write(run.report, page)
    return judged


@contextlib.contextmanager
def _series(run: RunDirectory, scratch: Path) -> Iterator[Client | None]:
    if not snapshot.blocks(run.tsdb):
        yield None
        return
    with replay.open_blocks(run.tsdb, scratch) as opened:
        yield opened.client


def _grid(run: RunDirectory, manifest: Manifest, interval: float) -> Grid:
    """Cover the phases with a little around them, or all that was recorded where no phase began."""
    if manifest.phases:
        start = manifest.phases[0].started.timestamp() - 5 * interval
        end = manifest.phases[-1].ended.timestamp() + 3 * interval
        return Grid.over(float(int(start)), end, interval)
    blocks = snapshot.blocks(run.tsdb)
    if blocks:
        return Grid.over(min(b.start for b in blocks), max(b.end for b in blocks), interval)
    return Grid.over(0.0, -1.0, 1.0)
