"""An end that Slurm cuts off: series are sealed as Prometheus logged them, and made into blocks by who looks first."""

import os

import pytest

from dashcam import cli
from jobs import haste, recovering
from jobs.catalog import catalog
from jobs.copying import Copier
from jobs.ending import Ending
from jobs.journal import Journal
from prometheus import snapshot
from reports import build
from runs import reader, seal
from runs.directory import RunDirectory
from runs.manifest import Manifest, Verdict, now
from tests.prometheus.test_server import Pair

RECIPE = """\
name: hasty
services: {llm: {kind: llamacpp, model: tiny}}
load: {generator: openai, phases: [{name: steady, for: 5s, rate: 1}]}
"""


@pytest.fixture
def journal(tmp_path):
    """The journal of a run that was asked to stop."""
    run = RunDirectory.create(tmp_path / "recordings", "20261125-120000-hasty-a1b2")
    run.recipe.write_text(RECIPE)
    values = reader.load(run.recipe, catalog())[0].model_dump(mode="json", by_alias=True)
    manifest = Manifest(
        id=run.id, recipe=values, state="ending", ending="cancelled", reason="asked to stop", created=now()
    )
    manifest.save(run.manifest)
    return Journal.open(run)


@pytest.mark.parametrize(
    ("megabytes", "left", "presses"),
    [
        (5000, None, False),
        (0.5, 2.0, False),
        (60, 30.0, False),
        (200, 30.0, True),
        (200, 150.0, False),
        (30, 10.0, True),
    ],
)
def test_what_presses(megabytes, left, presses):
    """A large head and little time; what is small is done even in two seconds."""
    assert haste.presses(int(megabytes * 1e6), left) is presses


def test_the_head_is_what_is_in_no_block(tmp_path):
    """All files of the write-ahead log, checkpoints too."""
    (tmp_path / "wal" / "checkpoint.00000001").mkdir(parents=True)
    (tmp_path / "wal" / "checkpoint.00000001" / "00000000").write_bytes(b"x" * 5)
    (tmp_path / "wal" / "00000002").write_bytes(b"x" * 7)
    assert haste.head(tmp_path) == 12
    assert haste.head(tmp_path / "nowhere") == 0


@pytest.mark.parametrize(
    ("script", "seconds"),
    [("echo 'KeepAliveTime = SYSTEM_DEFAULT'; echo 'KillWait                = 45 sec'", 45.0), ("exit 1", 30.0)],
)
def test_kill_wait_is_asked_of_slurm(tmp_path, monkeypatch, script, seconds):
    """As `scontrol show config` prints it; Slurm's default where that fails."""
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert haste.kill_wait() == seconds


def test_a_copy_that_failed_is_not_whole(journal, tmp_path):
    """Once a round failed the copy does not stand for the series, whatever its last round says."""
    (tmp_path / "data" / "wal").mkdir(parents=True)
    (tmp_path / "data" / "wal" / "00000000").write_bytes(b"x")
    copier = Copier(journal, tmp_path / "data", 1.0)
    copier.start()
    assert copier.finish()
    broken = Copier(journal, tmp_path / "data", 1.0)
    journal.run.series_copy.joinpath("wal", "00000000").unlink()
    journal.run.series_copy.joinpath("wal").rmdir()
    journal.run.series_copy.joinpath("wal").write_text("in the way")
    broken.start()
    assert not broken.finish()


@pytest.mark.real
def test_sealed_in_haste_and_finished_later(journal, tmp_path, capsys):
    """At the seal the log holds all series; `list` makes the blocks, the verdict and the report, and seals anew."""
    run = journal.run
    pair = Pair(tmp_path)
    copier = Copier(journal, pair.data, 1.0)
    copier.start()
    try:
        pair.wait(lambda: [s for s in pair.client.query("count_over_time(up[1m])") if s.values[0] >= 4])
    finally:
        pair.stop()
    last = pair.data.joinpath("wal", "00000000").stat().st_size
    assert copier.finish()
    ending = Ending(journal)
    ending.defer(8.0)
    ending.seal(tmp_path / "scratch")
    assert ending.problems == []
    assert seal.verify(run).intact
    first = Manifest.load(run.manifest)
    assert (first.unfinished, first.verdict, first.state) == (True, None, "ended")
    assert (run.series_log / "wal" / "00000000").stat().st_size == last
    assert not run.live.exists()
    assert snapshot.blocks(run.tsdb) == []

    assert cli.main(["list", "--root", str(run.path.parent)]) == 0
    assert "sealed in haste: making its blocks" in capsys.readouterr().err
    assert seal.verify(run).intact
    done = Manifest.load(run.manifest)
    assert (done.unfinished, done.ending, done.reason) == (False, "cancelled", "asked to stop")
    assert done.ended == first.ended
    assert done.verdict is not None
    assert run.report.is_file()
    assert not run.series_log.exists()
    assert snapshot.blocks(run.tsdb)[0].samples > 1000
    assert cli.main(["list", "--root", str(run.path.parent)]) == 0
    assert "haste" not in capsys.readouterr().err


def test_what_was_changed_is_not_finished(journal, tmp_path):
    """A hasty recording that was touched since stays as it is, and that is said."""
    journal.run.series_copy.joinpath("wal").mkdir(parents=True)
    journal.run.series_copy.joinpath("wal", "00000000").write_bytes(b"x")
    ending = Ending(journal)
    ending.defer(8.0)
    ending.seal(tmp_path / "scratch")
    (journal.run.series_log / "wal" / "00000000").write_bytes(b"y")
    with pytest.raises(recovering.RecoverError, match=r"is not as it was sealed \(tsdb.wal/wal/00000000\)"):
        recovering.finish(journal.run)
    assert journal.run.sealed


def test_blocks_outlive_a_kill_amid_the_clean_up(journal, monkeypatch):
    """A run cut off while its copy was being removed keeps its blocks: what is left of the copy would make fewer."""
    run = journal.run
    journal.set(state="ended", ended=now())
    block = run.tsdb / "01BLOCK"
    (block / "chunks").mkdir(parents=True)
    (block / "index").write_bytes(b"index")
    (block / "meta.json").write_text('{"ulid": "01BLOCK", "minTime": 1000, "maxTime": 2000}')
    (run.series_copy / "wal").mkdir(parents=True)
    (run.series_copy / "wal" / "00000007").write_bytes(b"x")
    monkeypatch.setattr(build, "build", lambda _run, _scratch: Verdict(valid=True))
    recovering.recover(run)
    assert [path.name for path in run.tsdb.iterdir()] == ["01BLOCK"]
    assert seal.verify(run).intact
    assert not run.live.exists()
