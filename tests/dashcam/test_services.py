"""`dashcam services` as its users call it."""

import json

import pytest

from dashcam import cli
from jobs import exits
from jobs.catalog import catalog
from jobs.services import catalogue
from runs import reader


def test_list(capsys):
    """Every kind with what it is; the same for programs."""
    assert cli.main(["services"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[: len(catalogue())]] == sorted(catalogue())
    assert cli.main(["services", "--json"]) == 0
    told = {each["kind"]: each for each in json.loads(capsys.readouterr().out)}
    assert set(told) == set(catalogue())
    assert told["qdrant"]["image"] == "qdrant 1.15.4"
    assert told["qdrant"]["dashboards"] == ["retrieval"]
    assert told["files"]["image"] is None


@pytest.mark.parametrize("kind", catalogue())
def test_one(kind, capsys):
    """Where it listens, who may use it, how far it was tried, and every key; no line wider than a screen."""
    assert cli.main(["services", kind]) == 0
    out = capsys.readouterr().out
    for word in ("program", "listens", "secret", "metrics", "dashboards", "ready after", "tried"):
        assert f"\n{word} " in out
    for key in catalogue()[kind].Options.model_fields:
        assert f"\n  {key}: " in out
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize("kind", catalogue())
def test_recipe_to_begin_with(kind, tmp_path, capsys):
    """What is printed is a file that the reader takes."""
    assert cli.main(["services", kind, "--recipe"]) == 0
    path = tmp_path / "mine.yaml"
    path.write_text(capsys.readouterr().out)
    recipe, _ = reader.load(path, catalog())
    assert [service.kind for service in recipe.services.values()] == [kind]


def test_what_is_not_there(capsys):
    """A kind that is none is told the nearest; --recipe alone asks for a kind."""
    assert cli.main(["services", "qdrnt"]) == exits.USAGE
    assert "did you mean 'qdrant'?" in capsys.readouterr().err
    assert cli.main(["services", "zzz"]) == exits.USAGE
    assert "there are chroma, command," in capsys.readouterr().err
    assert cli.main(["services", "--recipe"]) == exits.USAGE
    assert "needs a KIND" in capsys.readouterr().err
