"""A second look at a recording: the report is rendered anew, the evidence stays as it was sealed."""

import tempfile
from pathlib import Path

from reports import build
from reports.build import ReportError
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest

_RENEWED = {"run.json", "summary.json", "report.html"}


def rejudge(run: RunDirectory) -> None:
    """Judge, render and seal again. Raises SealError without a seal, ReportError where the evidence was changed."""
    found = seal.verify(run)
    damaged = sorted({*found.changed, *found.missing, *found.added} - _RENEWED)
    if damaged:
        raise ReportError(f"{run.path} is not as it was sealed ({', '.join(damaged[:3])}): its numbers prove nothing")
    manifest = Manifest.load(run.manifest)
    with tempfile.TemporaryDirectory(prefix="dashcam-report-") as scratch:
        manifest.verdict = build.build(run, Path(scratch))
    manifest.save(run.manifest)
    seal.seal(run)
