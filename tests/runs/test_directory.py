"""Run ids, run directories, the manifest, the seal."""

import os
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import atomic, runid, seal
from runs.directory import RunDirectory
from runs.manifest import Manifest, ManifestError, Verdict, now


def make(root, run_id="20261123-142207-demo-a3f9"):
    """Make a run directory with a manifest."""
    run = RunDirectory.create(root, run_id)
    Manifest(id=run_id, recipe={}, created=now()).save(run.manifest)
    return run


def test_id_sorts_by_time_and_names_the_recipe():
    """An id holds the UTC time, the recipe's name and four random digits."""
    first = runid.new("vllm", datetime(2026, 11, 23, 14, 22, 7, tzinfo=UTC))
    assert first.startswith("20261123-142207-vllm-")
    assert runid.PATTERN.fullmatch(first)
    assert first < runid.new("a", datetime(2026, 11, 23, 14, 22, 8, tzinfo=UTC))


def test_find_by_id_prefix_path_and_last(tmp_path):
    """A run answers to its id, a unique prefix, its path, and the newest to `last`."""
    first, second = make(tmp_path), make(tmp_path, "20261123-142208-demo-0000")
    (tmp_path / "something-else").mkdir()
    assert runid.find(tmp_path, first.id) == first.path
    assert runid.find(tmp_path, "20261123-142208") == second.path
    assert runid.find(tmp_path, str(first.path)) == first.path
    assert runid.find(tmp_path, "last") == second.path


@pytest.mark.parametrize(("reference", "words"), [("2026", "fits 2 runs"), ("x", "no run 'x'"), ("", "fits 2 runs")])
def test_find_says_what_there_is(tmp_path, reference, words):
    """A reference to no run, or to several, is answered with what to do."""
    make(tmp_path)
    make(tmp_path, "20261123-142208-demo-0000")
    with pytest.raises(runid.UnknownRunError, match=words):
        runid.find(tmp_path, reference)


def test_no_run_at_all(tmp_path):
    """`last` in an empty place says how to start a run."""
    with pytest.raises(runid.UnknownRunError, match="dashcam run"):
        runid.find(tmp_path / "none", "last")


def test_secrets_are_private(tmp_path):
    """The live directory is 0700 and a secret in it 0600."""
    run = make(tmp_path)
    path = run.secret("token", "s3cret")
    assert run.live.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "s3cret"


def test_write_leaves_no_half_file(tmp_path, monkeypatch):
    """When writing fails, the old file stays and no temporary one is left."""
    path = tmp_path / "file"
    atomic.write(path, "old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_manifest_round_trip(tmp_path):
    """A manifest reads back as it was written."""
    run = make(tmp_path)
    manifest = Manifest.load(run.manifest)
    manifest.verdict = Verdict(valid=True)
    manifest.save(run.manifest)
    assert Manifest.load(run.manifest) == manifest


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}'])
def test_broken_manifest(tmp_path, text):
    """A manifest that cannot be read is an error that names the file."""
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ManifestError, match=r"run\.json"):
        Manifest.load(tmp_path / "run.json")


def test_newer_manifest(tmp_path):
    """A manifest of a later schema is refused with what to do."""
    run = make(tmp_path)
    manifest = Manifest.load(run.manifest)
    manifest.schema_version = 99
    manifest.save(run.manifest)
    with pytest.raises(ManifestError, match="newer"):
        Manifest.load(run.manifest)


def test_seal_and_verify(tmp_path):
    """A sealed recording is intact until a file changes, goes, or comes."""
    run = make(tmp_path)
    (run.logs / "a b.log").write_text("x")
    assert seal.seal(run, lambda: (run.path / "run.json").write_text("late")) == 2
    assert seal.verify(run).intact
    (run.logs / "a b.log").write_text("y")
    (run.path / "new").write_text("z")
    run.manifest.unlink()
    found = seal.verify(run)
    assert (found.changed, found.missing, found.added) == (("logs/a b.log",), ("run.json",), ("new",))


def test_sums_are_coreutils(tmp_path):
    """`sha256sum -c` accepts the seal, names with newlines and backslashes included."""
    run = make(tmp_path)
    (run.logs / "line\nbreak\\and 'quote'").write_text("x")
    seal.seal(run)
    done = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=run.path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert seal.verify(run).intact


def test_no_seal_and_broken_seal(tmp_path):
    """Without a seal, or with a damaged one, verify says which and what to do."""
    run = make(tmp_path)
    with pytest.raises(seal.SealError, match="dashcam stop"):
        seal.verify(run)
    run.sums.write_text("nonsense\n")
    with pytest.raises(seal.SealError, match="SHA256SUMS:1"):
        seal.verify(run)


@given(st.text(alphabet=st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1))
def test_names_survive_the_seal(name):
    """Any file name reads back from its line as it was."""
    line = seal._line("0" * 64, name)
    assert line.count("\n") == 1
    text = line.removesuffix("\n").removeprefix("\\").partition("  ")[2]
    assert (seal._unescape(text) if line.startswith("\\") else text) == name
