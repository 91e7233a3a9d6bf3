"""Scratch directories: made on the node's own disk; what dead runs left goes, and nothing else does."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs import identity, scratch

RUN = "20261124-010203-job-a1b2"
MOUNTS = """\
21 1 254:0 / / rw - ext4 /dev/vda rw
22 21 0:20 / {memory} rw,nosuid shared:1 - tmpfs tmpfs rw
23 21 0:21 / {shared} rw - lustre 10.0.0.1@o2ib:/tier1 rw
24 21 8:1 / {disk} rw master:2 - xfs /dev/nvme0n1 rw
25 24 0:22 / {disk}/a\\040b rw - nfs4 server:/x rw
"""


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """Make a disk, a memory and a shared file system of directories."""
    places = {name: tmp_path / name for name in ("memory", "shared", "disk")}
    for place in places.values():
        place.mkdir()
    (places["disk"] / "a b").mkdir()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.format(**places))
    asked = scratch.filesystem
    monkeypatch.setattr(scratch, "filesystem", lambda path: asked(path, mounts))
    return places


def left(place, run_id=RUN, age=1000.0, run=None):
    """Make a scratch directory that was last written some seconds ago."""
    path = place / scratch.name(run_id)
    (path / "prometheus").mkdir(parents=True)
    (path / "prometheus" / "wal").write_text("x")
    if run is not None:
        (path / scratch.OWNER).write_text(str(run))
    then = time.time() - age
    for each in (path / "prometheus" / "wal", path / "prometheus", *path.iterdir(), path):
        os.utime(each, (then, then))
    return path


def test_filesystem(mounted):
    """The innermost mount counts, blanks in its name included."""
    assert scratch.filesystem(mounted["disk"]) == "xfs"
    assert scratch.filesystem(mounted["disk"] / "a b") == "nfs4"
    assert scratch.filesystem(mounted["shared"]) == "lustre"
    assert scratch.filesystem(mounted["disk"].parent) == "ext4"


@pytest.mark.parametrize(
    ("words", "place", "note"),
    [
        (["$NOT_SET/x", "/nowhere", "$SHARED", "$MEMORY", "$DISK"], "disk", ""),
        (["$SHARED", "$MEMORY"], "memory", "kept in memory"),
        (["$SHARED"], "shared", "is lustre): name a local one"),
        (["${DISK}", "$MEMORY"], "disk", ""),
    ],
)
def test_choice(mounted, monkeypatch, words, place, note):
    """The first that is there and on the node's own disk; memory is better than a shared file system."""
    for name, path in mounted.items():
        monkeypatch.setenv(name.upper(), str(path))
    choice = scratch.choose(words)
    assert choice.place == mounted[place]
    assert note in choice.note
    assert bool(note) == bool(choice.note)


def test_one_without_room_is_left_out(mounted, monkeypatch):
    """A full disk is no place, however good it is otherwise."""
    usage = type("Usage", (), {"free": 2**20})
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda path: usage if path == mounted["disk"] else mock(2**40))
    assert scratch.choose([str(mounted["disk"]), str(mounted["memory"])]).place == mounted["memory"]


def mock(free):
    """Make a disk with room."""
    return type("Usage", (), {"free": free})


def test_clear(tmp_path):
    """Ours, old and dead: gone. Anything else stays."""
    dead = left(tmp_path)
    young = left(tmp_path, "20261124-010203-young-a1b2", age=5)
    sealed_run, open_run = tmp_path / "sealed", tmp_path / "open"
    for run in (sealed_run, open_run):
        run.mkdir()
    (sealed_run / "SHA256SUMS").touch()
    sealed = left(tmp_path, "20261124-010203-sealed-a1b2", run=sealed_run)
    unsealed = left(tmp_path, "20261124-010203-open-a1b2", run=open_run)
    gone = left(tmp_path, "20261124-010203-gone-a1b2", run=tmp_path / "removed")
    strangers = [
        tmp_path / f"dashcam-{os.getuid() + 1}-{RUN}",
        tmp_path / f"dashcam-{os.getuid()}-notes",
        tmp_path / f"x{scratch.name(RUN)}",
        tmp_path / f"{scratch.name(RUN)}.tar",
    ]
    for stranger in strangers:
        stranger.mkdir()
        os.utime(stranger, (0, 0))
    aimed = tmp_path / "aimed"
    aimed.mkdir()
    link = tmp_path / scratch.name("20261124-010203-link-a1b2")
    link.symlink_to(aimed)
    cleared = scratch.clear([tmp_path, tmp_path / "nowhere"])
    assert cleared == [
        "20261124-010203-gone-a1b2",
        RUN,
        "20261124-010203-sealed-a1b2",
    ]
    assert not any(path.exists() for path in (dead, sealed, gone))
    assert all(path.exists() for path in (young, unsealed, link, aimed, *strangers))
    asked = []
    assert scratch.clear([tmp_path], lambda run: asked.append(run) is None) == ["20261124-010203-open-a1b2"]
    assert asked == [open_run]


@pytest.mark.parametrize("how", ["tag", "command"])
def test_a_living_run_keeps_its_directory(tmp_path, how):
    """A process with the run's tag, or its id on the command line, keeps it, however old."""
    path = left(tmp_path)
    env = {**os.environ, **({identity.RUN_VARIABLE: RUN} if how == "tag" else {})}
    words = [f"/recordings/{RUN}"] if how == "command" else []
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, *words], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout.readline() == b"up\n"
        assert scratch.clear([tmp_path]) == []
        assert path.exists()
    finally:
        child.communicate()
    assert scratch.clear([tmp_path]) == [RUN]


def test_a_file_of_late_keeps_it(tmp_path):
    """What writes into a directory deep below keeps it too: its own time stands still."""
    path = left(tmp_path)
    (path / "prometheus" / "wal").write_text("more")
    os.utime(path / "prometheus", (0, 0))
    assert scratch.clear([tmp_path]) == []


def test_claim(tmp_path):
    """The directory is ours alone and says whose it is."""
    path = tmp_path / "a" / scratch.name(RUN)
    scratch.claim(path, Path("/r/x"))
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / scratch.OWNER).read_text() == "/r/x"
