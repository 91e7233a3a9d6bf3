"""From a run directory to verdict, summary and report, with a real Prometheus over real blocks."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reports import build
from reports.build import ReportError
from runs.directory import RunDirectory
from runs.manifest import Verdict
from tests.reports import recording as made

pytestmark = pytest.mark.real


def built(tmp_path: Path, recording: made.Recording) -> tuple[RunDirectory, Verdict, dict[str, Any]]:
    """Write a run directory and build its report."""
    run = recording.write(tmp_path / "recordings")
    found = build.build(run, tmp_path / "scratch")
    assert run.report.read_text().startswith("<!doctype html>")
    return run, found, json.loads(run.summary.read_text())


def titles(run: RunDirectory) -> set[str]:
    """Return the titles of the charts that are drawn."""
    return set(re.findall(r"<h3>([^<]+?) *<", run.report.read_text()))


def test_good_run_is_valid_and_whole(clean: RunDirectory, tmp_path: Path) -> None:
    """A recording with everything gives a VALID verdict, all its charts, full coverage, and leaves nothing behind."""
    scratch = tmp_path / "scratch"
    found = build.build(clean, scratch)
    assert found.valid
    assert found.findings == []
    assert list(scratch.iterdir()) == []
    facts = json.loads(clean.summary.read_text())
    assert {item["up_ratio"] for item in facts["coverage"]} == {1.0}
    assert {item["state"] for item in facts["objectives"]} == {"met", "missed"}
    assert facts["recorder"]["cpu_cores_mean"] == pytest.approx(0.02, rel=0.1)
    charts = titles(clean)
    assert {"Requests", "Latency", "Time to first token", "Inter-token gaps", "Client lag"} <= charts
    assert clean.report.stat().st_size < 500_000


def test_gap_of_the_service_is_found(tmp_path: Path) -> None:
    """Five seconds without a scrape make the run INVALID, and are told with their length."""
    recording = made.Recording(made.llm_rows(), made.llm_curves(hole=range(15, 20)))
    _run, found, facts = built(tmp_path, recording)
    assert [finding.rule for finding in found.findings] == ["targets_up"]
    assert found.findings[0].evidence["gap_seconds"] == pytest.approx(6.0, abs=0.01)
    assert facts["coverage"][0]["up_ratio"] == pytest.approx(25 / 30, abs=1e-3)


@pytest.mark.parametrize(
    ("rows", "curves", "changes"),
    [
        ([], [], {}),
        ([], [], {"phases": [], "ending": "failed", "reason": "llm was not ready", "processes": [], "nodes": []}),
        ([], made.llm_curves(), {}),
        ([], made.llm_curves(), {"phases": [], "ending": "cancelled"}),
        (made.llm_rows(), [], {}),
        (made.llm_rows(), [c for c in made.llm_curves() if not c.metric.startswith("l")], {"ending": None}),
    ],
    ids=["nothing", "never began", "no records", "no phase", "no blocks", "service and load never scraped"],
)
def test_missing_pieces_are_survived(
    tmp_path: Path, rows: list[made.Row], curves: list[made.Curve], changes: dict[str, Any]
) -> None:
    """Whatever is missing, there is a report, and it is INVALID with a reason."""
    _run, found, facts = built(tmp_path, made.Recording(rows, curves, changes))
    assert not found.valid
    assert found.findings[0].message
    assert facts["valid"] is False
    assert [one["job"] for one in facts["sources"]] == [target.job for target in made.TARGETS]


def test_three_seconds_are_enough_to_render(tmp_path: Path) -> None:
    """A load that was killed at once leaves a short recording; it is drawn as far as it goes."""
    phases = [made.span("steady", 0.0, 3.0, rate=20.0)]
    rows = [made.row("steady", index / 20, 0.02) for index in range(55)]
    changes = {"phases": phases, "ending": "failed", "reason": "load died: signal SIGKILL"}
    run, found, _facts = built(tmp_path, made.Recording(rows, made.llm_curves(rows=rows), changes, first=-1, last=3))
    assert {finding.rule for finding in found.findings if finding.level == "invalid"} == {"completed"}
    assert "Latency" in titles(run)


def test_phase_of_a_killed_load_ends_with_the_run(tmp_path: Path) -> None:
    """A load that was killed wrote down the planned end of its phase; rates and gaps count to the real one."""
    ended = made.STEADY.started.replace(second=25)
    rows = [one for one in made.llm_rows() if one["done"] < 25]
    later = made.span("later", 35.0, 30.0, rate=20.0)
    changes = {"ended": ended, "ending": "failed", "reason": "load died", "phases": [made.WARMUP, made.STEADY, later]}
    _run, found, facts = built(tmp_path, made.Recording(rows, made.llm_curves(), changes, last=26))
    assert [finding.rule for finding in found.findings if finding.level == "invalid"] == ["completed"]
    assert facts["measured"]["seconds"] == 20.0
    assert list(facts["phases"]) == ["warmup", "steady"]


@pytest.mark.parametrize("damage", ["records", "result", "block", "recipe"])
def test_broken_files_are_evidence(tmp_path: Path, damage: str) -> None:
    """Files that cannot be read are told in the verdict, and do not keep the report from being made."""
    run = made.Recording(made.llm_rows(), made.llm_curves()).write(tmp_path / "recordings")
    if damage == "records":
        run.records.write_bytes(b"PAR1 torn")
    elif damage == "result":
        (run.load / "result.json").write_text("{")
    elif damage == "block":
        for path in run.tsdb.glob("*/index"):
            path.unlink()
    else:
        run.recipe.write_bytes(b"\xff\xfe not utf-8")
    found = build.build(run, tmp_path / "scratch")
    assert found.valid is (damage == "recipe")
    assert run.report.is_file()


def test_unreadable_manifest_is_an_error(tmp_path: Path) -> None:
    """Without a manifest nothing can be said; the error names the file."""
    run = made.Recording([], []).write(tmp_path / "recordings")
    run.manifest.write_text("{}")
    with pytest.raises(ReportError, match=r"run\.json"):
        build.build(run, tmp_path / "scratch")
    made.manifest().model_copy(update={"recipe": {"name": "demo"}}).save(run.manifest)
    with pytest.raises(ReportError, match="no recipe"):
        build.build(run, tmp_path / "scratch")


def test_second_look_gives_the_same(clean: RunDirectory, tmp_path: Path) -> None:
    """Built twice, page and summary are equal byte for byte."""
    before = clean.report.read_bytes(), clean.summary.read_bytes()
    build.build(clean, tmp_path / "scratch")
    assert (clean.report.read_bytes(), clean.summary.read_bytes()) == before
