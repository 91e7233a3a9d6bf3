"""The wheel: what is built installs into a clean environment and works from there."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[1]
ROOMS = {
    *("apptainer", "dashcam", "exporters", "grafana", "jobs", "loadtests", "prometheus", "recipes", "reports", "runs"),
    "sites",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of what git knows, so that no stray file gets in."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return next(place.glob("*.whl"))


def test_top_level_names(wheel):
    """The wheel adds the rooms to the environment and nothing else: no tests, no tools."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == ROOMS


def test_works_from_a_clean_environment(wheel, tmp_path):
    """Installed elsewhere, `dashcam --help` and every resource file are there."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--ignore-installed",
        "--prefix",
    ]
    subprocess.run([*pip, str(tmp_path / "env"), str(wheel)], check=True, capture_output=True)
    # The dependencies are those of this environment: that they resolve is what `make setup` shows.
    here = next(entry for entry in sys.path if entry.endswith("site-packages"))
    (Path(site) / "dependencies.pth").write_text(here + "\n")
    script = """
import importlib.resources as r, dashcam, reports, recipes, runs.reader, pathlib
from jobs.catalog import catalog
assert str(pathlib.Path(dashcam.__file__)).startswith(PLACE), dashcam.__file__
for name in ("report.js", "report.css", "uPlot.iife.min.js", "uPlot.min.css", "LICENSE.uPlot"):
    assert (r.files("reports") / "assets" / name).read_text()
assert (r.files("reports") / "templates" / "report.html.j2").read_text()
assert (r.files("recipes") / "recipe.schema.json").read_text()
assert "meluxina" in __import__("runs.site").site.names()
demo = pathlib.Path(str(r.files("recipes") / "demo.yaml"))
print(runs.reader.load(demo, catalog())[0].name)
"""
    script = f"PLACE = {str(tmp_path)!r}\n{script}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False, env=environment, cwd="/")
    assert done.stdout == "demo\n", done.stderr
    entry = Path(site).parents[2] / "bin" / "dashcam"
    shown = subprocess.run([python, entry, "--help"], capture_output=True, text=True, check=True, env=environment)
    assert "flight recorder" in shown.stdout
