"""`dashcam images` as its users call it, with a stand-in for Apptainer on PATH."""

import json
import os
import shutil

import pytest

from apptainer.cache import Cache
from apptainer.image import find, images
from dashcam import cli
from tests.apptainer import standin


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A stand-in on PATH and a cache by the variable."""
    standin.install(tmp_path / "bin", {})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("DASHCAM_IMAGES", str(tmp_path / "images"))
    return tmp_path


@pytest.fixture
def without_a_pin(monkeypatch):
    """Have an image whose digest nobody states."""
    told = {"digest": None, "stated_by": 0, "unpinned": "no public file was found that states its digest"}
    monkeypatch.setitem(images(), "triton", find("triton").model_copy(update=told))


@pytest.mark.usefixtures("without_a_pin")
def test_list(place, capsys):
    """Every image with its pin, and whether it is here."""
    assert cli.main(["images", "list"]) == 0
    out = capsys.readouterr().out
    assert str(place / "images") in out
    for image in images().values():
        assert image.name in out
    assert "unpinned" in out


@pytest.mark.usefixtures("without_a_pin")
def test_pull_check_and_air_gap(place, capsys):
    """What is pulled is checked, copied, and checked again elsewhere; a copy that broke is found."""
    assert cli.main(["images", "pull", "prometheus", "triton"]) == 0
    told = capsys.readouterr()
    assert "sha256" in told.out
    assert "triton is not pinned" in told.err
    assert cli.main(["images", "pull", "prometheus"]) == 0
    assert "prometheus is here" in capsys.readouterr().out
    shutil.copytree(place / "images", place / "copy")
    assert cli.main(["images", "check", "prometheus", "triton", "--images", str(place / "copy"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["images"]
    assert [row["state"] for row in rows] == ["good", "good"]
    assert rows[0]["sif"]["digest"] == rows[0]["pin"]["digest"] == find("prometheus").digest
    path = Cache(place / "copy").path(find("prometheus"))
    path.write_bytes(path.read_bytes().swapcase())
    assert cli.main(["images", "check", "--images", str(place / "copy")]) == 1
    out = capsys.readouterr().out
    assert "damaged  prometheus" in out
    assert "unpinned triton: no public file" in out
    assert "missing  chroma," in out


@pytest.mark.usefixtures("place")
def test_check_of_missing(capsys):
    """Asked for by name, a missing image is a failure; in a check of all it is told."""
    assert cli.main(["images", "check"]) == 0
    assert cli.main(["images", "check", "qdrant"]) == 1
    assert "missing" in capsys.readouterr().out


def test_stranger_is_named(place, capsys):
    """An older release's file is told, and left alone."""
    (place / "images").mkdir()
    old = place / "images" / "prometheus-v2.0.0-000000000000.sif"
    old.touch()
    assert cli.main(["images", "check"]) == 0
    assert f"stranger {old.name}" in capsys.readouterr().out
    assert old.exists()


def test_build(place, capsys, monkeypatch):
    """A definition is checked, asks for its arguments, and is built with them."""
    monkeypatch.chdir(place)
    assert cli.main(["images", "build", "dashcam"]) == 1
    assert "needs --build-arg wheel=..." in capsys.readouterr().err
    assert cli.main(["images", "build", "dashcam", "--build-arg", "whel=x"]) == 1
    assert "has no {{ whel }}: it has constraints, wheel" in capsys.readouterr().err
    assert cli.main(["images", "build", "dashcam", "--build-arg", "wheel=x.whl"]) == 0
    made = Cache(place / "images").path(find("dashcam")).read_text()
    assert "From: python@sha256:" in made
    assert "wheel=x.whl" in made
    assert cli.main(["images", "build", "prometheus"]) == 1
    assert "images pull prometheus" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_without_apptainer(capsys, monkeypatch):
    """No program: where it may be had, and that images may be copied."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["images", "pull", "qdrant"]) == 1
    assert "no program apptainer on PATH" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_unknown_image(capsys):
    """A wrong name gets those that there are."""
    assert cli.main(["images", "pull", "qudrant"]) == 1
    assert "no image 'qudrant'" in capsys.readouterr().err
