"""What a program in an image is shown of its run: what it names, directly or in its settings, and no secret beside."""

import pytest

from apptainer.runtime import Bind
from jobs import exposure
from jobs.program import Program
from runs.directory import RunDirectory


@pytest.fixture
def run(tmp_path):
    """A run with settings and with secrets of several programs."""
    made = RunDirectory.create(tmp_path / "recordings", "20260101-000000-test-abcd")
    for name in ("mine.key", "mine.password", "foreign.key"):
        made.secret(name, f"secret of {name}")
    (made.live / "mine.yml").write_text(f"key_file: {made.live}/mine.key\n")
    made.configs.mkdir(exist_ok=True)
    (made.configs / "prometheus.yml").write_text(f"password_file: '{made.live}/mine.password'\n")
    return made


def shown(run, scratch, *argv, shared=(), **more):
    """Return what the program `p` is shown: its view of `live`, and the other binds as words."""
    found = exposure.of(run, scratch, Program("p", "service", 0, argv, **more), shared)
    *others, live = found.binds
    assert (live.target, live.readonly) == (str(run.live), True)
    return {file.name for file in run.live.glob("shown/p/*")}, [bind.word for bind in others]


def test_named_files_and_what_they_name(run, tmp_path):
    """Of `live` the files by name, followed through settings; of the rest the directory, read-only; own scratch."""
    scratch = tmp_path / "scratch"
    argv = (f"--config={run.configs}/prometheus.yml", f"--web={run.live}/mine.yml", f"--data={scratch}/data/tsdb")
    files, binds = shown(run, scratch, *argv)
    assert files == {"mine.yml", "mine.key", "mine.password"}
    assert binds == [
        f"{scratch}/data:{scratch}/data:rw",
        f"{scratch}/p:{scratch}/p:rw",
        f"{run.configs}:{run.configs}:ro",
    ]
    assert (run.live / "shown/p/mine.key").stat().st_mode & 0o777 == 0o600
    assert (run.live / "shown/p").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "word", ["{live}", "{live}/", "{live}/..", "{live}/../live", "{live}/shown", "{run}", "{run}x/a"]
)
def test_whole_directories_are_not_given(run, tmp_path, word):
    """Whoever names all of it gets none of it."""
    files, binds = shown(run, tmp_path / "scratch", word.format(live=run.live, run=run.path))
    assert files == set()
    assert binds == [f"{tmp_path}/scratch/p:{tmp_path}/scratch/p:rw"]


def test_variables_and_preparation_count(run, tmp_path):
    """A path in a variable or in a command that comes before is one that the program needs."""
    env = {"KEY": str(run.live / "mine.key")}
    files, _ = shown(run, tmp_path / "scratch", "x", env=env, prepare=(("y", f"{run.live}/mine.password"),))
    assert files == {"mine.key", "mine.password"}


def test_run_below_a_shared_place(run, tmp_path):
    """Where a site's bind holds the run, the run is laid over it read-only, and its `live` over that."""
    _, binds = shown(run, tmp_path / "scratch", "x", shared=(Bind(str(tmp_path / "recordings")),))
    assert binds[-1] == f"{run.path}:{run.path}:ro"


def test_planned_again(run, tmp_path):
    """A second attempt of a run makes its view anew."""
    for _ in range(2):
        assert shown(run, tmp_path / "scratch", f"{run.live}/mine.key")[0] == {"mine.key"}
