"""fio itself, on memory, on a disk, and cut short."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import requests

from loadtests import progress, records
from tests.loadtests.tools import ROOT, TOKEN, Python, a_plan, wait_for

SHM = Path("/dev/shm")  # noqa: S108 - it is what is tested
pytestmark = [pytest.mark.real, pytest.mark.timing]


@pytest.fixture
def disk():
    """Give a directory of the checkout's own file system, since /tmp may be memory."""
    with tempfile.TemporaryDirectory(prefix=".fio-", dir=ROOT) as place:
        yield Path(place)


def plan(directory, *phases, **more):
    """Write a plan of a files load that has no service."""
    settings = {"generator": "files", **more.pop("load", {}), "options": {"size": "4m", **more.pop("options", {})}}
    return a_plan(directory, "", *phases, target=None, load=settings, **more)


def load(directory, *phases, **more):
    """Run a files load to its end; returns its result."""
    path = plan(directory, *phases, **more)
    argv = [sys.executable, "-m", "loadtests", str(path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    return json.loads((directory / "load" / progress.RESULT).read_text()), done


def left(*parents):
    """Return our directories that are still there."""
    return [path for parent in parents for path in Path(parent).glob("dashcam-fio-20260101*")]


def test_memory_and_disk_compared(tmp_path, disk):
    """Each place gives figures of reads and writes in seconds; memory is faster than a disk past the page cache."""
    result, done = load(
        tmp_path, {"name": "steady", "for": 1, "users": 2},
        options={"places": {"memory": "tmpfs", "disk": str(disk)}, "patterns": ["randrw"]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert result["state"] == "done"
    assert [span["name"] for span in result["phases"]] == ["steady-memory", "steady-disk"]
    found = {(each["target"], each["operation"]): each for each in result["aggregates"]}
    assert len(found) == 4
    for (target, _), each in found.items():
        assert each["phase"] == f"steady-{target}"
        assert each["bytes"] == each["count"] * 4096
        assert each["seconds"] == pytest.approx(1.0, abs=0.2)
        shares = each["percentiles"]
        assert 0 < each["least"] <= shares["0.5"] * 1.02 <= shares["0.99"] * 1.02 <= each["most"] * 1.05 < 10
    assert found["memory", "read"]["percentiles"]["0.5"] < found["disk", "read"]["percentiles"]["0.5"]
    memory, on_disk = (result["notes"]["places"][name] for name in ("memory", "disk"))
    assert memory["filesystem"] == "tmpfs"
    assert on_disk["filesystem"] != "tmpfs"
    assert found["disk", "read"]["facts"]["direct"] is on_disk["direct"]
    for span in result["phases"]:
        counted = sum(each["count"] for each in result["aggregates"] if each["phase"] == span["name"])
        assert span["sent"] == span["ok"] == counted
    assert left(SHM, disk) == []
    whole = json.loads((tmp_path / "load" / "files" / "steady-disk.json").read_text())
    assert whole["fio version"].startswith("fio-")
    assert records.finish(tmp_path / "load") == 0


def test_a_paced_load_keeps_its_rate(tmp_path):
    """An open loop of 300/s gives 300/s, in a Poisson process; the p99 of the histogram is fio's own."""
    steady = {"name": "steady", "for": 2, "rate": 300}
    result, done = load(tmp_path, steady, options={"places": {"memory": "tmpfs"}, "patterns": ["randread"]})
    assert done.returncode == 0, done.stderr
    (figures,) = result["aggregates"]
    assert figures["count"] == pytest.approx(600, abs=6 * 600**0.5)
    own = json.loads((tmp_path / "load" / "files" / "steady.json").read_text())["jobs"][0]["read"]["clat_ns"]
    for share, key in (("0.5", "50.000000"), ("0.99", "99.000000")):
        assert figures["percentiles"][share] == pytest.approx(own["percentile"][key] / 1e9, rel=0.04)


def test_it_is_seen_live_and_cut_short(tmp_path):
    """While fio runs its figures are on /metrics; told to end it leaves those of what it did, and no file."""
    path = plan(
        tmp_path, {"name": "steady", "for": 60, "users": 1}, {"name": "never", "for": 60, "users": 1},
        options={"places": {"memory": "tmpfs"}}, linger=True,
    )  # fmt: skip
    output, listen = tmp_path / "load", json.loads(path.read_text())["listen"]
    with Python("loadtests", str(path)) as process:
        wait_for(output, lambda state: state.done > 1000, process)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        text = requests.get(f"http://{listen}/metrics", headers=headers, timeout=5).text
        assert 'load_files_operations_total{operation="read",phase="steady",target="memory"}' in text
        assert 'load_files_duration_seconds_bucket{le="1e-06",operation="read",phase="steady"' in text
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - begin < 5
    result = json.loads((output / progress.RESULT).read_text())
    assert result["state"] == "interrupted"
    assert [span["name"] for span in result["phases"]] == ["steady"]
    (figures,) = result["aggregates"]
    assert figures["count"] == result["phases"][0]["ok"] > 1000
    assert figures["seconds"] < 30
    assert left(SHM) == []


def test_a_full_place_is_named_before_the_load(tmp_path):
    """What does not fit is not begun."""
    steady = {"name": "steady", "for": 1, "users": 1}
    result, done = load(tmp_path, steady, options={"size": "100t", "places": {"memory": "tmpfs"}})
    assert done.returncode == 1
    assert "target memory" in result["message"]
    assert "make `size` smaller" in result["message"]
    assert left(SHM) == []


def test_an_error_of_fio_is_told(tmp_path, disk):
    """A key that fio does not know ends the set-up with fio's words."""
    steady = {"name": "steady", "for": 1, "users": 1}
    result, done = load(tmp_path, steady, options={"extra": {"nosuchkey": "1"}, "places": {"disk": str(disk)}})
    assert done.returncode == 1
    assert "nosuchkey" in result["message"]
    assert left(disk) == []


def test_without_fio(tmp_path, monkeypatch):
    """Where fio is not installed, the mend is told."""
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))  # noqa: PTH120 - a part of an environment variable
    result, done = load(tmp_path, {"name": "steady", "for": 1, "users": 1})
    assert done.returncode == 1
    assert "apt-get install fio" in result["message"]
