"""A program becomes an exact `apptainer exec`; what it says is what a strict stand-in then does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apptainer.runtime import _SHARED, Bind, Box, BoxError, command, strays, variables
from tests.apptainer import standin

BOX = Box(
    root="/local/run/box/llm",
    env_file="/shared/run/live/llm.env",
    binds=(Bind("/local/run"), Bind("/shared/run", readonly=True), Bind("/models/tiny.gguf", readonly=True)),
    pwd="/local/run/box/llm/home",
    gpu=True,
)


def test_exact_command():
    """Every word, in its order."""
    made = command("/usr/bin/apptainer", "/images/x.sif", ("/app/server", "--port", "1234"), BOX)
    assert made == (
        *("/usr/bin/apptainer", "exec", "--cleanenv", "--containall", "--no-eval"),
        *("--no-home", "--home", "/local/run/box/llm/home", "--no-mount", "tmp,hostfs"),
        *("--bind", "/local/run/box/llm/tmp:/tmp:rw", "--bind", "/local/run/box/llm/var_tmp:/var/tmp:rw"),
        *("--bind", "/local/run:/local/run:rw", "--bind", "/shared/run:/shared/run:ro"),
        *("--bind", "/models/tiny.gguf:/models/tiny.gguf:ro"),
        *("--pwd", "/local/run/box/llm/home", "--env-file", "/shared/run/live/llm.env", "--nv", "/images/x.sif"),
        *("/app/server", "--port", "1234"),
    )


def test_nv_only_with_gpus():
    """A node without GPUs gets no --nv, which would warn of libraries that are not there."""
    assert "--nv" not in command("apptainer", "/x.sif", ("p",), Box(root="/r", env_file="/e"))


def test_mount_points_below_tmp_are_made():
    """What lies below /tmp is seen inside below the box's own /tmp: its mount point must be there first."""
    tmp, var_tmp = _SHARED
    root = f"{tmp}/run/box/a"
    box = Box(root=root, env_file="/e", binds=(Bind(f"{tmp}/run"), Bind(f"{var_tmp}/recordings/x", readonly=True)))
    own = (root, f"{root}/home", f"{root}{tmp}", f"{root}/var_tmp")
    assert box.directories == (*own, f"{root}{tmp}/run", f"{root}/var_tmp/recordings/x")
    assert [bind.inside for bind in box.all_binds] == [*_SHARED, f"{tmp}/run", f"{var_tmp}/recordings/x"]


@pytest.mark.parametrize("path", ["/with:colon", "/with,comma", "relative", '/with"quote'])
def test_paths_that_cannot_be_bound(path):
    """--bind has no quoting: such a path is refused, with the mend."""
    with pytest.raises(BoxError, match=r"cannot be bound into a container.*use another --root"):
        Bind(path).word  # noqa: B018 - it is asked for


def test_values_reach_the_program_as_they_are(tmp_path):
    """Quotes, dollars, blanks, line breaks: what a shell would read is not read."""
    hard = {"A": 'it\'s $HOME `id` "x" \\n', "B": "two\nlines", "C": "", "D": "ü 100%"}
    file = tmp_path / "env"
    file.write_text(variables(hard))
    done = subprocess.run(
        ["/bin/sh", "-c", f"set -a; . {file}; exec {sys.executable} -c 'import os; print(dict(os.environ))'"],
        env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = eval(done.stdout)  # noqa: S307 - our own line
    assert {name: told[name] for name in hard} == hard


def test_the_nodes_own_gpus_win(tmp_path):
    """On a node with a list of its own that list counts; else the one that was seen when the run was planned."""
    file = tmp_path / "env"
    file.write_text(variables({"CUDA_VISIBLE_DEVICES": "0,1"}, from_node=("CUDA_VISIBLE_DEVICES",)))
    for node, told in (({}, "0,1"), ({"CUDA_VISIBLE_DEVICES": "3"}, "3")):
        script = f". {file}; echo $CUDA_VISIBLE_DEVICES"
        done = subprocess.run(["/bin/sh", "-c", script], env=node, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == told


@pytest.mark.parametrize("name", ["HOME", "UID", "a-b", "1A", "BASH_FUNC_module%%"])
def test_names_that_would_be_lost_are_refused(name):
    """What Apptainer would drop in silence is an error."""
    with pytest.raises(BoxError, match=name):
        variables({name: "x"})


def test_strays():
    """A person's own settings of Apptainer, and proxies, stay outside; where it may write stays."""
    names = ("PATH", "APPTAINER_BIND", "APPTAINERENV_X", "SINGULARITY_NV", "APPTAINER_TMPDIR", "http_proxy", "NO_PROXY")
    assert strays(names) == ("APPTAINER_BIND", "APPTAINERENV_X", "SINGULARITY_NV", "http_proxy", "NO_PROXY")


@pytest.fixture
def box(tmp_path):
    """A box on this machine, its directories made, and a stand-in that knows a few programs."""
    root = tmp_path / "scratch" / "box" / "p"
    env = tmp_path / "p.env"
    env.touch(mode=0o600)
    env.write_text(variables({"TOLD": "it's"}))
    made = Box(root=str(root), env_file=str(env), binds=(Bind(str(tmp_path / "scratch")),))
    for directory in made.directories:
        Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
    (tmp_path / "x.sif").touch()
    sleeper = (
        "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(7))\nprint('up', flush=True)\ntime.sleep(60)"
    )
    teller = "import os; print(sorted(os.environ), os.environ['TOLD'], os.getcwd())"
    standin.install(
        tmp_path / "bin",
        {"sleeper": [sys.executable, "-c", sleeper], "teller": [sys.executable, "-c", teller], "false": ["/bin/false"]},
    )
    return made


def enclosed(tmp_path, box, *argv):
    """Return the command line by the stand-in."""
    return command(str(tmp_path / "bin" / "apptainer"), str(tmp_path / "x.sif"), argv, box)


def test_environment_is_clean(tmp_path, box):
    """Nothing of ours gets in but what the file says; the working directory is the box's."""
    done = subprocess.run(enclosed(tmp_path, box, "teller"), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("['HOME', 'LANG', 'LC_CTYPE', 'PATH', 'TOLD'] it's ") or done.stdout.startswith(
        "['HOME', 'LANG', 'PATH', 'TOLD'] it's "
    )
    assert done.stdout.strip().endswith("/box/p/home")


def test_exit_code_and_signal(tmp_path, box):
    """The program's own exit code comes back, and it is told to stop."""
    assert subprocess.run(enclosed(tmp_path, box, "false"), check=False).returncode == 1
    child = subprocess.Popen(enclosed(tmp_path, box, "sleeper"), stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "up\n"
    begin = time.monotonic()
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 7
    assert time.monotonic() - begin < 5
    child.stdout.close()


def test_the_standin_is_strict(tmp_path, box):
    """What Apptainer refuses is refused: an option, a bind without source, an image that is not there."""
    good = list(enclosed(tmp_path, box, "teller"))
    for bad, words in (
        ([*good[:2], "--quick", *good[2:]], "unknown flag"),
        ([*good[:2], "--bind", "/not/there:/x:ro", *good[2:]], "no such file"),
        ([word.replace("x.sif", "y.sif") for word in good], "could not open image"),
        ([word.replace("teller", "other") for word in good], "exec other failed"),
    ):
        done = subprocess.run(bad, capture_output=True, text=True, check=False)
        assert done.returncode == 255
        assert words in done.stderr
