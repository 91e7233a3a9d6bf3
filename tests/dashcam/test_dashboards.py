"""`dashcam dashboards` as its user calls it."""

import json
from pathlib import Path

from dashcam import cli
from grafana.dashboards import boards

RECIPES = Path(__file__).parents[2] / "recipes"


def test_all_are_written_and_pass_the_check(tmp_path, capsys):
    """Every dashboard, whatever runs here; the list says what each is for."""
    assert cli.main(["dashboards", "--out", str(tmp_path / "all"), "--check"]) == 0
    names = {path.stem for path in (tmp_path / "all").iterdir()}
    assert names == {board.name for board in boards()}
    told = capsys.readouterr().out
    assert "the check found nothing" in told
    assert "overview" in told


def test_a_recipe_gets_its_own(tmp_path, capsys):
    """Only what can have data in a run of it."""
    arguments = ["dashboards", str(RECIPES / "s3.yaml"), "--out", str(tmp_path), "--json"]
    assert cli.main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["dashboards"]) == {path.stem for path in tmp_path.iterdir()}
    assert "storage" in told["dashboards"]
    assert "llm" not in told["dashboards"]


def test_check_names_what_it_found(capsys, monkeypatch):
    """A metric that nobody has seen fails the check, with the mend."""
    monkeypatch.setattr("grafana.known.metrics", lambda: {"up": None})
    assert cli.main(["dashboards", "--check"]) == 1
    assert "metric run_phase was never seen: record a run that has it" in capsys.readouterr().err


def test_a_recipe_and_a_run_are_too_much(capsys):
    """One question at a time."""
    assert cli.main(["dashboards", str(RECIPES / "s3.yaml"), "--run", "last"]) == 2
    assert "either RECIPE or --run" in capsys.readouterr().err
