"""`files`: phases and job files as fio gets them, places as they are, and its histogram as series."""

import os
from pathlib import Path

import pytest

from loadtests.fio import job, places
from loadtests.fio.job import Options
from loadtests.fio.places import Place
from loadtests.fio.series import FilesSeries, cumulated
from loadtests.importers.fio import aggregate, documents
from loadtests.outcome import SetupError
from loadtests.plan import LoadPlan, Target
from loadtests.tools import registry
from runs.phase import Phase
from runs.recipe import Load

DISK = Place("disk", Path("/scratch/x"), "xfs", direct=True)
SHM = Path("/dev/shm")  # noqa: S108 - it is what is tested
MEMORY = Place("memory", SHM / "x", "tmpfs", direct=False)


def phase(**more):
    """Make a phase of 2 s."""
    return Phase.model_validate({"name": "steady", "for": 2, **more})


def keys(text):
    """Read a job file."""
    head, *lines = text.splitlines()
    assert head == "[data]"
    return dict(line.split("=", 1) for line in lines)


def test_each_phase_once_in_each_place():
    """Phases follow each other place by place and pattern by pattern, and keep what they are."""
    options = Options.model_validate({"patterns": ["read", "randrw"], "places": {"a": "/a", "b": "/b"}})
    load = Load.model_validate({"generator": "files", "phases": [
        {"name": "warmup", "for": 1, "users": 1}, {"name": "steady", "for": 2, "users": 4}]})  # fmt: skip
    found = registry()["files"].arranged(load, options).phases
    assert [each.name for each in found[:4]] == ["warmup-a-read", "warmup-b-read", "warmup-a-randrw", "warmup-b-randrw"]
    assert [each.in_window for each in found] == [False] * 4 + [True] * 4
    assert {each.users for each in found[4:]} == {4}
    alone = Options.model_validate({"places": {"a": "/a"}})
    assert [each.name for each in registry()["files"].arranged(load, alone).phases] == ["warmup", "steady"]


def test_a_closed_loop():
    """Users become fio's jobs; O_DIRECT where the place lets us."""
    options = Options.model_validate({"patterns": ["randrw"], "iodepth": 8, "size": "16m", "block_size": "8k"})
    found = keys(job.job_file(options, phase(users=3), DISK, "randrw", seed=6))
    wanted = {
        "directory": "/scratch/x", "size": str(16 * 2**20), "bs": "8192", "rw": "randrw", "rwmixread": "70",
        "ioengine": "libaio", "iodepth": "8", "direct": "1", "numjobs": "3", "time_based": "1", "runtime": "2000ms",
        "randseed": "7",
    }  # fmt: skip
    assert wanted.items() <= found.items()
    assert "rate_iops" not in found
    assert keys(job.job_file(options, phase(users=3), MEMORY, "randrw", seed=6))["direct"] == "0"
    assert keys(job.job_file(Options(direct="off"), phase(users=1), DISK, "read", seed=0))["direct"] == "0"


@pytest.mark.parametrize(("asked", "pattern", "rates", "process"), [
    ({"rate": 100}, "randread", "100,100", "poisson"),
    ({"rate": 100, "arrival": "constant"}, "write", "100,100", "linear"),
    ({"rate": 101}, "randrw", "71,30", "poisson"),
])  # fmt: skip
def test_an_open_loop(asked, pattern, rates, process):
    """A rate is fio's rate_iops, shared between reads and writes, with one job."""
    found = keys(job.job_file(Options(), phase(**asked), DISK, pattern, seed=0))
    assert (found["rate_iops"], found["rate_process"], found["numjobs"]) == (rates, process, "1")


def test_laying_out_and_more_keys():
    """Files are laid out without a run; a recipe may say more to fio, in one line."""
    options = Options.model_validate({"extra": {"norandommap": "1"}, "fsync": 4})
    found = keys(job.job_file(options, phase(users=1), DISK, "randread", seed=0, create=True))
    assert (found["create_only"], found["norandommap"], found["fsync"]) == ("1", "1", "4")
    assert "time_based" not in found
    with pytest.raises(ValueError, match="is no key of a job file"):
        Options.model_validate({"extra": {"exec_prerun": "a\nb"}})


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("4k", 4096), ("16M", 2**24), ("1gib", 2**30), ("2kb", 2048)]
)
def test_sizes(text, size):
    """Sizes are powers of 1024, as fio's are."""
    assert job.in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "4x", "k", "1.5m"])
def test_sizes_that_are_none(text):
    """Others are refused with examples."""
    with pytest.raises(ValueError, match="is no size"):
        job.in_bytes(text)


def test_a_service_names_the_places(tmp_path):
    """One of kind `files` goes before what the load itself says; another service changes nothing."""
    kind = registry()["files"]
    wanted = {"disk": "/mnt/a b&c", "shared": "run"}
    load = Load.model_validate({"generator": "files", "phases": [phase(users=1)], "options": {"places": {"x": "/x"}}})

    def read(target):
        plan = LoadPlan(
            run_id="r", load=load, target=target, output=tmp_path, listen="127.0.0.1:0", token_file=tmp_path / "token"
        )
        return kind.read(plan).places

    assert places.named(places.url(wanted)) == wanted
    assert read(Target(protocol="files", url=places.url(wanted))) == wanted
    assert read(Target(protocol="openai", url="http://x")) == read(None) == {"x": "/x"}
    assert places.resolve("home", tmp_path) == Path.home()


def test_places(tmp_path):
    """Words mean directories; a directory of our own is made, tried and not left when it is too small."""
    assert places.resolve("run", tmp_path) == tmp_path
    assert places.resolve("tmpfs", tmp_path) == SHM
    assert places.resolve("/data", tmp_path) == Path("/data")
    made = places.make("here", tmp_path, "own", 1000)
    assert made.path == tmp_path / "own"
    assert os.listdir(made.path) == []  # noqa: PTH208 - the probe is gone
    assert made.filesystem not in {"", "unknown"}
    with pytest.raises(SetupError, match=r"target big: \d+ MiB are free in .*make `size` smaller"):
        places.make("big", tmp_path, "other", 2**60)
    assert not (tmp_path / "other").exists()
    with pytest.raises(SetupError, match=r"target none: /nowhere cannot be written: No such file"):
        places.make("none", Path("/nowhere"), "own", 1)


def test_file_systems(tmp_path):
    """The mount that is nearest counts; blanks in its path are written as octal numbers."""
    mounts = tmp_path / "mountinfo"
    lustre = str(tmp_path / "a b").replace(" ", "\\040")
    mounts.write_text(f"1 0 0:1 / / rw - ext4 /dev/x rw\n2 1 0:2 / {lustre} rw shared:1 - lustre mgs:/fs rw\nbroken\n")
    assert places.filesystem(tmp_path / "a b" / "c", mounts) == "lustre"
    assert places.filesystem(tmp_path, mounts) == "ext4"
    assert places.filesystem(tmp_path, tmp_path / "none") == "unknown"


def test_series():
    """fio's histogram comes out cumulated, with its whole count; series have their labels and units."""
    clat = {"bins": {"900": 2, "1500": 3, "70000000000": 1}, "N": 6, "mean": 2e9}
    found = dict(cumulated(clat))
    assert (found["1e-06"], found["2e-06"], found["50"], found["+Inf"]) == (2, 5, 5, 6)
    series = FilesSeries()
    series.update(("steady", "tmpfs", "read"), {"total_ios": 6, "io_bytes": 24576, "clat_ns": clat})
    operations, moved, latency = series.collect()
    assert operations.samples[0].labels == {"phase": "steady", "target": "tmpfs", "operation": "read"}
    assert (operations.samples[0].value, moved.samples[0].value) == (6, 24576)
    assert [each.value for each in latency.samples if each.name.endswith("_sum")] == [pytest.approx(12.0)]


def test_documents_as_they_come():
    """Of a stream of documents those that are whole are read."""
    text = 'fio: a word\n{"jobs": []}\n{"jobs": [{"read": {"total_ios": 5, "runtime": 10}}]}\n{"jobs": [{"re'
    found = list(documents(text))
    assert len(found) == 2
    assert next(aggregate(found[-1])).count == 5
