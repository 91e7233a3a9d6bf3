"""What a real Apptainer makes of our command lines: surroundings, values, signals, exit codes, definitions."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from apptainer.runtime import Bind, Box, command, variables
from tests.apptainer import real

APPTAINER, WHY = real.find()
pytestmark = [pytest.mark.real, pytest.mark.skipif(APPTAINER is None, reason=WHY)]

CONFIG = {"Env": ["PATH=/opt/own:/bin", "OF_THE_IMAGE=1"], "Entrypoint": ["/bin/sleep", "999"], "User": "4711"}
TRICKY = {"A": "x y'z", "B": '$HOME `id` "q" \\n #', "C": "a,b=c", "LINES_": "one\ntwo", "EMPTY": ""}


@pytest.fixture(scope="module")
def sif(tmp_path_factory):
    """An image with a shell, made of what `docker save` would write: variables, an entry point, another user."""
    place = tmp_path_factory.mktemp("real")
    tree = real.root_file_system(place / "tree", real.TOOLS)
    (tree / "opt/own").mkdir(parents=True)
    (tree / "opt/own/tool").write_text('#!/bin/sh\necho "tool of the image $OF_THE_IMAGE"\n')
    (tree / "opt/own/tool").chmod(0o755)
    return real.build(APPTAINER, place / "it.sif", f"docker-archive:{real.archive(place / 'it.tar', tree, **CONFIG)}")


@pytest.fixture
def box(tmp_path):
    """Surroundings as a run makes them."""
    file = tmp_path / "p.env"
    file.touch(mode=0o600)
    file.write_text(variables({**TRICKY, "CUDA_VISIBLE_DEVICES": "0"}, ("CUDA_VISIBLE_DEVICES",)))
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "file").write_text("content\n")
    (tmp_path / "model").write_text("weights\n")
    made = Box(
        root=str(tmp_path / "box"),
        env_file=str(file),
        binds=(
            Bind(str(tmp_path / "shown"), "/node/deep/shown", readonly=True),
            Bind(str(tmp_path / "model"), readonly=True, file=True),
        ),
    )
    for place in made.directories:
        Path(place).mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in made.files:
        Path(place).touch()
    return made


def words(sif, box, *argv):
    """Return the command line."""
    return command(APPTAINER, str(sif), argv, box)


def call(sif, box, *argv, **environment):
    """Run a program in the image."""
    return subprocess.run(
        words(sif, box, *argv), capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_variables_arrive_as_they_are(sif, box):
    """Quotes, dollars, commas and line breaks in values are kept; nothing of ours gets in; the image's own stay."""
    done = call(sif, box, "env", "-0", OURS="secret", CUDA_VISIBLE_DEVICES="2,3")
    found = dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)
    assert {name: found[name] for name in TRICKY} == TRICKY
    assert "OURS" not in found
    assert found["OF_THE_IMAGE"] == "1"
    assert found["HOME"] == box.home


def test_entry_point_is_not_run(sif, box):
    """`exec` runs what we name, by the image's own PATH, as the user that we are; arguments are not evaluated."""
    assert call(sif, box, "tool").stdout == "tool of the image 1\n"
    assert call(sif, box, "id", "-u").stdout == f"{os.geteuid()}\n"
    assert call(sif, box, "sh", "-c", 'echo "$1"', "sh", "`id` $HOME").stdout == "`id` $HOME\n"


def test_what_is_seen(sif, box, tmp_path):
    """Own /tmp and home on the node's disk; binds at paths that the image lacks, read-only; no more of the node."""
    script = (
        f"pwd; touch /tmp/a /var/tmp/b $HOME/c; cat /node/deep/shown/file {tmp_path}/model; "
        f"touch /node/deep/shown/x || echo refused; touch /x || echo refused; ls {tmp_path}"
    )
    done = call(sif, box, "sh", "-c", script)
    *first, own, model = done.stdout.splitlines()
    assert first == [box.home, "content", "weights", "refused", "refused"]
    assert (own, model) == ("box", "model")
    assert [(Path(box.root) / name).exists() for name in ("tmp/a", "var_tmp/b", "home/c")] == [True] * 3
    assert not Path("/tmp/a").exists()  # noqa: S108


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_signal_reaches_the_program(sif, box, name):
    """One signal to Apptainer is one signal to the program, whose own exit code is told."""
    script = f"trap 'echo got; exit 5' {signal.Signals[name].value}; echo ready; while :; do sleep 0.05; done"
    child = subprocess.Popen(words(sif, box, "sh", "-c", script), stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.Signals[name])
    assert child.communicate(timeout=20)[0] == "got\n"
    assert child.returncode == 5


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -TERM $$"), 143),
        (("sh", "-c", "kill -KILL $$"), 137),
        (("not-there",), 255),
    ],
)
def test_exit_codes(sif, box, argv, code):
    """A code is kept, signal n is 128 + n, and Apptainer's own failures are 255."""
    assert call(sif, box, *argv).returncode == code


def test_processes_are_apart(sif, box):
    """A PID namespace: the program sees its own only, and what it leaves ends with it."""
    done = call(sif, box, "sh", "-c", "sleep 4711 & ps -eo args")
    assert "sleep 4711" in done.stdout
    assert len(done.stdout.splitlines()) < 8
    assert subprocess.run(["pgrep", "-fx", "sleep 4711"], check=False, capture_output=True).stdout == b""


def test_definition_is_built(sif, tmp_path):
    """%arguments, --build-arg, %files and %post as our definition uses them; %environment counts for `exec`."""
    (tmp_path / "file").write_text("copied\n")
    text = f"""Bootstrap: docker-archive
From: {sif.with_suffix(".tar")}

%arguments
    wheel=nothing
    other=default

%files
    {{{{ wheel }}}} /opt/

%post
    set -eu
    touch /opt/{{{{ other }}}}

%environment
    export OF_THE_DEFINITION=2

%runscript
    exec ls "$@"
"""
    (tmp_path / "it.def").write_text(text)
    made = tmp_path / "made.sif"
    done = subprocess.run(
        [APPTAINER, "build", "--build-arg", f"wheel={tmp_path}/file", str(made), str(tmp_path / "it.def")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        [APPTAINER, "exec", str(made), "sh", "-c", "ls /opt; cat /opt/file; echo $OF_THE_DEFINITION"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.splitlines() == ["default", "file", "own", "copied", "2"]


def test_ready_soon(sif, box):
    """A container of a small image starts within a few seconds, so that probes need no other deadline."""
    begin = time.monotonic()
    assert call(sif, box, "sh", "-c", ":").returncode == 0
    assert time.monotonic() - begin < 10
