"""`dashcam report`: rendered again in place, or elsewhere with a reader's own dashboards."""

import json
from pathlib import Path

import pytest

from dashcam.cli import main
from runs import seal
from runs.directory import RunDirectory
from tests.reports import recording as made
from tests.reports.dashboards.boards import dashboard, panel

pytestmark = pytest.mark.real


@pytest.fixture
def sealed(tmp_path: Path) -> RunDirectory:
    """A sealed recording."""
    run = made.Recording(made.llm_rows(), made.llm_curves()).write(tmp_path / "recordings")
    run.live.rmdir()
    run.summary.write_text("{}")
    run.report.write_text("")
    seal.seal(run)
    return run


def files(run: RunDirectory) -> dict[str, bytes]:
    """Return all of a recording."""
    return {str(path): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def exported(path: Path) -> Path:
    """Write a dashboard of somebody else's."""
    own = panel("timeseries", "up", title="Theirs")
    path.write_text(json.dumps(dashboard(own, panel("news", "up"), panel("stat", "gone"), title="From outside")))
    return path


def test_own_dashboard_leaves_the_recording_alone(
    sealed: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report with it is written where --out says; not a byte of the recording changes."""
    before, out = files(sealed), tmp_path / "mine.html"
    code = main(["report", str(sealed.path), "--dashboard", str(exported(tmp_path / "x.json")), "--out", str(out)])
    assert code == 0
    assert files(sealed) == before
    assert "From outside" in out.read_text()
    assert "From outside: 1 of 3 panels drawn, 1 empty, 1 cannot be drawn" in capsys.readouterr().out


def test_json_answer_has_the_panels(sealed: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs: what is empty, and why."""
    own = exported(tmp_path / "x.json")
    assert main(["report", str(sealed.path), "--dashboard", str(own), "--out", str(tmp_path / "o.html"), "--json"]) == 0
    (board,) = json.loads(capsys.readouterr().out)["dashboards"]
    assert (board["file"], board["drawn"], len(board["empty"]), len(board["undrawable"])) == ("x.json", 1, 1, 1)


@pytest.mark.parametrize(
    "case",
    [
        (["--dashboard", "{own}"], 2, "say where the report goes"),
        (["--dashboard", "{own}", "--out", "{run}/own.html"], 2, "inside the recording"),
        (["--dashboard", "{run}/recipe.yaml", "--out", "{tmp}/o.html"], 1, "recipe.yaml is no JSON"),
        (["--out", "{tmp}/none/o.html"], 1, "cannot be written"),
    ],
)
def test_mistakes_are_told(
    sealed: RunDirectory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    case: tuple[list[str], int, str],
) -> None:
    """A place that is missing, in the recording or not there; a file that is no dashboard."""
    options, code, words = case
    places = {"own": exported(tmp_path / "x.json"), "run": sealed.path, "tmp": tmp_path}
    before = files(sealed)
    assert main(["report", str(sealed.path), *(option.format(**places) for option in options)]) == code
    assert words in capsys.readouterr().err
    assert files(sealed) == before


def test_changed_evidence_is_refused(sealed: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers of a recording that is not as it was sealed prove nothing, elsewhere too."""
    sealed.recipe.write_text("name: other\n")
    assert main(["report", str(sealed.path), "--out", str(tmp_path / "o.html")]) == 1
    assert "not as it was sealed" in capsys.readouterr().err


def test_archived_dashboards_are_drawn_again(sealed: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    """Rendering in place draws those of the recording, and seals it again."""
    exported(sealed.dashboards / "theirs.json")
    seal.seal(sealed)
    assert main(["report", str(sealed.path)]) in {0, 3}
    capsys.readouterr()
    assert seal.verify(sealed).intact
    assert json.loads(sealed.summary.read_text())["dashboards"][0]["title"] == "From outside"
