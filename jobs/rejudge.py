"""A second look at a recording: the report is rendered anew, the evidence stays as it was sealed."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports import build
from reports.build import ReportError
from reports.dashboards import parse
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest

_RENEWED = {"run.json", "summary.json", "report.html"}


def rejudge(run: RunDirectory) -> None:
    """Judge, render and seal again. Raises SealError without a seal, ReportError where the evidence was changed."""
    _intact(run)
    manifest = Manifest.load(run.manifest)
    with tempfile.TemporaryDirectory(prefix="dashcam-report-") as scratch:
        manifest.verdict = build.build(run, Path(scratch))
    manifest.save(run.manifest)
    seal.seal(run)


def elsewhere(run: RunDirectory, dashboards: Sequence[Path]) -> tuple[dict[str, Any], str]:
    """Return the summary and the report with further dashboards (files), and leave the recording as it is.

    Raises SealError without a seal, ReportError where the evidence was changed or a file is no dashboard.
    """
    _intact(run)
    for path in dashboards:
        try:
            parse.read(path)
        except parse.DashboardError as error:
            raise ReportError(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="dashcam-report-") as scratch:
        _, facts, page = build.rendered(run, Path(scratch), dashboards)
    return facts, page


def _intact(run: RunDirectory) -> None:
    found = seal.verify(run)
    damaged = sorted({*found.changed, *found.missing, *found.added} - _RENEWED)
    if damaged:
        raise ReportError(f"{run.path} is not as it was sealed ({', '.join(damaged[:3])}): its numbers prove nothing")
