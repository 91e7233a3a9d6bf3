"""The continuous copy of a Prometheus's data: never far behind, never more than there is, whole when opened."""

import shutil
import time

import pytest

from prometheus import snapshot
from prometheus.shipping import Shipment
from runs.directory import RunDirectory
from tests.prometheus.test_server import Pair


def block(data, name):
    """Make what looks like a block."""
    (data / name / "chunks").mkdir(parents=True)
    (data / name / "chunks" / "000001").write_bytes(b"chunks")
    (data / name / "index").write_bytes(b"index")
    (data / name / "meta.json").write_text("{}")


@pytest.fixture
def data(tmp_path):
    """A data directory with a block and two segments."""
    place = tmp_path / "data"
    (place / "wal").mkdir(parents=True)
    (place / "wal" / "00000000").write_bytes(b"a" * 100)
    (place / "wal" / "00000001").write_bytes(b"b" * 10)
    (place / "chunks_head").mkdir()
    (place / "lock").write_text("")
    block(place, "01BLOCK")
    return place


def names(place):
    """Return all files below."""
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def test_copies_blocks_and_segments_once(data, tmp_path):
    """The first round copies all that counts; the second nothing."""
    shipment = Shipment(data, tmp_path / "copy")
    (tmp_path / "copy").mkdir()
    assert shipment.ship() == 110 + len(b"chunksindex{}")
    assert names(tmp_path / "copy") == [
        *("01BLOCK/chunks/000001", "01BLOCK/index", "01BLOCK/meta.json", "wal/00000000", "wal/00000001"),
    ]
    assert shipment.ship() == 0


def test_only_what_was_added_is_copied(data, tmp_path):
    """A segment that grew costs what it grew by."""
    shipment = Shipment(data, tmp_path / "copy")
    (tmp_path / "copy").mkdir()
    shipment.ship()
    with (data / "wal" / "00000001").open("ab") as segment:
        segment.write(b"more")
    assert shipment.ship() == 4
    assert (tmp_path / "copy" / "wal" / "00000001").read_bytes() == b"b" * 10 + b"more"


def test_what_prometheus_gave_up_is_given_up(data, tmp_path):
    """Segments that a checkpoint and a block replaced go, once those are there: the copy is bounded."""
    shipment = Shipment(data, tmp_path / "copy")
    (tmp_path / "copy").mkdir()
    shipment.ship()
    (data / "wal" / "checkpoint.00000000").mkdir()
    (data / "wal" / "checkpoint.00000000" / "00000000").write_bytes(b"c")
    (data / "wal" / "checkpoint.00000001.tmp").mkdir()
    (data / "wal" / "00000000").unlink()
    block(data, "01NEWER")
    shutil.rmtree(data / "01BLOCK")
    (data / "01HALF.tmp-for-creation").mkdir()
    shipment.ship()
    found = names(tmp_path / "copy")
    assert "wal/checkpoint.00000000/00000000" in found
    assert "01NEWER/index" in found
    assert not [name for name in found if name.startswith(("wal/00000000", "01BLOCK", "01HALF")) or ".tmp" in name]


@pytest.mark.real
def test_a_copy_becomes_blocks(tmp_path):
    """Of a Prometheus whose disk is gone the copy gives all but the last moment before."""
    pair = Pair(tmp_path)
    try:
        copy = tmp_path / "copy"
        copy.mkdir()
        shipment = Shipment(pair.data, copy)
        pair.wait(lambda: pair.client.query("count_over_time(up[1m]) > 5"))
        shipment.ship()
        shipped = time.time()
        pair.prometheus.kill()
        pair.prometheus.wait()
        shutil.rmtree(pair.data)
    finally:
        pair.stop()
    run = RunDirectory.create(tmp_path, "run-1")
    found = snapshot.collect_dead(copy, run, tmp_path / "scratch")
    assert found
    assert found[-1].samples > 1000
    assert shipped - found[-1].end < 1.5  # two intervals of 0.5 s and the rounding to milliseconds
