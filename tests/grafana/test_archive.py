"""Dashboards of a run: following it, and showing it whole."""

import json
from datetime import UTC, datetime

from grafana import archive
from runs.recipe import Recipe

RECIPE = Recipe.model_validate(
    {
        "name": "x",
        "services": {"llm": {"kind": "llamacpp"}},
        "watch": {"interval": "500ms"},
        "load": {"generator": "openai", "phases": [{"name": "steady", "for": "5s", "rate": 1}]},
    }
)


def test_at_the_start_they_follow_the_run(tmp_path):
    """Relative time, refreshed, the run chosen; the overview is a file of its own name for Grafana's home."""
    names = archive.write(tmp_path / "dashboards", "20261125-x", RECIPE)
    assert names[0] == archive.HOME_FILE == "overview.json"
    made = json.loads((tmp_path / "dashboards" / archive.HOME_FILE).read_text())
    assert (made["time"], made["refresh"]) == ({"from": "now-15m", "to": "now"}, "5s")
    assert made["templating"]["list"][0]["current"]["value"] == "20261125-x"
    assert made["annotations"]["list"][0]["step"] == "1s"


def test_at_the_end_they_show_its_time_and_stand_still(tmp_path):
    """Absolute UTC time, no refresh, in the same files."""
    live = archive.write(tmp_path, "r", RECIPE)
    span = datetime(2026, 11, 25, 7, 40, tzinfo=UTC), datetime(2026, 11, 25, 7, 41, 30, 250_000, tzinfo=UTC)
    assert archive.write(tmp_path, "r", RECIPE, span) == live
    for path in archive.read(tmp_path):
        made = json.loads(path.read_text())
        assert made["time"] == {"from": "2026-11-25T07:40:00.000Z", "to": "2026-11-25T07:41:30.250Z"}
        assert made["refresh"] == ""


def test_refresh_is_no_faster_than_the_scrapes(tmp_path):
    """A run that is scraped each 30 s has nothing new after 5."""
    slow = RECIPE.model_copy(update={"watch": RECIPE.watch.model_copy(update={"interval": 30.0})})
    archive.write(tmp_path, "r", slow)
    made = json.loads((tmp_path / archive.HOME_FILE).read_text())
    assert (made["refresh"], made["annotations"]["list"][0]["step"]) == ("30s", "30s")


def test_they_are_read_overview_first(tmp_path):
    """As they are listed everywhere."""
    for name in ("load", "overview", "gpu"):
        (tmp_path / f"{name}.json").write_text("{}")
    assert [path.stem for path in archive.read(tmp_path)] == ["overview", "gpu", "load"]
