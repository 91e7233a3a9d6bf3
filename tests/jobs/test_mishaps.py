"""What goes wrong on a cluster, as its user meets it: one message, what is left is sealed, and nothing runs on.

Beside these: a port that is taken, a program that is missing (test_local), a service's image (test_containers_runs), a
partition, Slurm's own refusal, a module (test_slurm).
"""

import contextlib
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from apptainer.image import find
from jobs import copying, exits, gpus, reserve, supervisor
from jobs.allocations.base import AllocationError
from jobs.journal import Journal
from prometheus import snapshot
from runs import atomic, seal
from runs.directory import RunDirectory
from runs.manifest import Manifest, Node, now
from runs.recipe import Recipe
from tests.jobs.cluster import Cluster
from tests.jobs.driver import Driver

RECIPE = """\
name: mishap
watch: {{interval: 500ms, exporters: []}}
services:
  app:
    kind: command
    command: [{python}, -c, "{program}", "{{port}}", "{{address}}"]
    ready: /ready
    ready_within: {within}s
    url: "http://{{address}}:{{port}}/good,takes=0.01"
load: {{generator: openai, prompt_tokens: 8, max_tokens: 4, drain: 1s, phases: [{{name: steady, for: 20s, rate: 20}}]}}
"""
SERVES = "import sys; from tests.jobs import faulty; faulty.main(sys.argv[1:])"
DIES = (
    "import os, signal, sys; from tests.jobs import faulty; os.write(1, b'loading\\\\n');"
    " signal.signal(signal.SIGUSR1, lambda *_: (os.write(1, b'CUDA error: out of memory\\\\n'), os._exit(7)));"
    " faulty.main(sys.argv[1:])"
)
DEAF = "import time; print('loading shard 3 of 4', flush=True); time.sleep(99)"


@dataclass(frozen=True)
class Told:
    """What a command came to, in the words that its user read."""

    driver: Driver
    code: int
    out: str
    err: str

    @property
    def run(self) -> RunDirectory:
        """The run, of which nothing may run."""
        assert self.driver.left() == []
        return RunDirectory(self.driver.runs()[-1])

    @property
    def sealed(self) -> RunDirectory:
        """The run, sealed and intact, with nothing left of it and no file half-written."""
        run = self.run
        assert seal.verify(run).intact
        assert list(self.driver.scratch()) == []
        assert not run.live.exists()
        assert [path.name for path in run.path.rglob(".*")] == []
        return run


def told(driver: Driver, program: str = SERVES, meanwhile: Callable[[Driver], None] | None = None, within=30) -> Told:
    """Run the recipe; `meanwhile` is called in the steady phase."""
    driver.recipe.write_text(RECIPE.format(python=sys.executable, program=program, within=within))
    here = {"PYTHONPATH": os.getcwd()}  # noqa: PTH109 - the service is a test's
    child = driver.start("run", str(driver.recipe), **here)
    try:
        if meanwhile is not None:
            driver.wait_phase("steady")
            meanwhile(driver)
        out, err = child.communicate(timeout=50)
    finally:
        if child.poll() is None:
            child.terminate()
            child.communicate(timeout=20)
    print(out, err, sep="\n")  # noqa: T201 - what a failed test is about
    assert "Traceback" not in out + err
    return Told(driver, child.returncode, out, err)


def fill(path: Path) -> None:
    """Write until the disk is full to the last byte."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while os.write(descriptor, bytes(size)):
                        pass
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def disk(place: Path, options: str = "size=150m") -> Iterator[Path]:
    """Mount a small file system."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fills_up(folder: Path) -> Told:
    """Have the disk full at once, from one moment to the next."""
    with disk(folder / "full") as place:
        found = told(Driver(place / "recordings"), meanwhile=lambda _: fill(place / "filler"))
        found.sealed  # noqa: B018 - asserts, while the disk is there
        return found


def stays_full(folder: Path) -> tuple[Told, Told]:
    """Have somebody take each byte that becomes free, then go; returns the run, and `dashcam recover`."""
    with disk(folder / "fuller") as place:
        over = threading.Event()

        def go_on() -> None:
            while not over.wait(0.001):
                fill(place / "filler")

        thread = threading.Thread(target=go_on)
        driver = Driver(place / "recordings")
        try:
            first = told(driver, meanwhile=lambda _: thread.start())
            assert driver.left() == []
            assert not RunDirectory(driver.runs()[-1]).sealed
        finally:
            over.set()
            thread.join()
        (place / "filler").unlink()
        done = driver.call("recover", "last")
        second = Told(driver, done.returncode, done.stdout, done.stderr)
        assert snapshot.blocks(second.sealed.tsdb)[0].samples > 100
        return first, second


def no_more_room(driver: Driver) -> None:
    """Have the writes of the load and the supervisor fail as under a quota: the file system itself has room."""
    for name in ("load", "supervisor"):
        resource.prlimit(driver.pid(name), resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


LOAD_DIED = "load (load) died: exit code 1"
ROOT = os.geteuid() == 0
RUNS: dict[str, Callable[[Path], object]] = {
    **({"full": fills_up, "fuller": stays_full} if ROOT else {}),
    "quota": lambda folder: told(Driver(folder / "quota"), meanwhile=no_more_room),
    "dies": lambda folder: told(Driver(folder / "dies"), DIES, lambda it: os.kill(it.pid("app"), signal.SIGUSR1)),
    "deaf": lambda folder: told(Driver(folder / "deaf"), DEAF, within=2),
}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """All whole runs, begun at once: they wait most of the time."""
    folder = tmp_path_factory.mktemp("mishaps")
    with ThreadPoolExecutor(len(RUNS)) as pool:
        begun: dict[str, Future] = {name: pool.submit(run, folder) for name, run in RUNS.items()}

        def result(name):
            """Return what came of a run; who asks a second time gets another."""
            future = begun.pop(name, None)
            again = folder / f"again-{len(list(folder.iterdir()))}"
            if future is None:
                again.mkdir()
            return future.result() if future else RUNS[name](again)

        yield result


only_root = pytest.mark.skipif(not ROOT, reason="only root can make a small file system")
real = [pytest.mark.real, pytest.mark.timing]


class TestWholeRuns:
    """Runs that begin well."""

    pytestmark = real

    @only_root
    def test_disk_that_is_full_at_once(self, together):
        """Not a byte is left, and the run is sealed all the same, by the room that it holds for that."""
        found = together("full")
        assert found.code == exits.FAILED
        why, *_, last = found.out.splitlines()
        path = last.removeprefix("recording: ")
        assert Path(path).parent == found.driver.root
        space = f"failed: less than 64 MB are free for {path}: the disk is full"
        mend = "free some space or choose another place with --root"
        # Whichever is first to meet it.
        assert why in {space, f"failed: {path} cannot be written: No space left on device; {mend}: {LOAD_DIED}"}

    @only_root
    def test_disk_that_stays_full(self, together):
        """Where not even the end can be written, that is said, with the mend; which then makes the recording."""
        first, second = together("fuller")
        assert first.code == exits.FAILED
        last = first.err.splitlines()[-1]
        assert "No space left on device" in last
        assert "nothing of it runs any more; free some space, then `dashcam recover " in last
        assert last.startswith("dashcam: ")
        assert second.code == 0
        assert second.out.startswith(("failed: ", "abandoned: "))  # as far as there was a byte for it
        assert "(not sealed)" not in second.out

    def test_quota_that_is_used_up(self, together):
        """Writes fail and the file system has room: said as that, and sealed by who is not under the limit."""
        found = together("quota")
        assert found.code == exits.FAILED
        run = found.sealed
        assert found.out.startswith(
            f"failed: {run.path} could not be written: a full disk, or a quota or limit that is used up; free some "
            "space or choose another place with --root\nINVALID\n"
        )
        assert found.err.endswith("dashcam: the supervisor ended with 74 before the seal: recovering what it left\n")
        assert snapshot.blocks(run.tsdb)[0].samples > 100

    def test_service_that_dies_in_the_steady_phase(self, together):
        """Its exit code and last words are the reason; requests and series until then are kept."""
        found = together("dies")
        assert found.code == exits.FAILED
        run = found.sealed
        assert found.out.startswith(
            "failed: app (service) died: exit code 7\n    | loading\n    | CUDA error: out of memory\nINVALID\n"
        )
        assert [phase.name for phase in Manifest.load(run.manifest).phases] == ["steady"]
        assert json.loads(run.summary.read_bytes())["measured"]["requests"] > 5

    def test_service_that_never_becomes_ready(self, together):
        """What was waited for and what it said last."""
        found = together("deaf")
        assert found.code == exits.FAILED
        why, rest = found.out.split("\n    | ", 1)
        assert why.startswith("failed: app was not ready within 2 s: http://127.0.0.1:")
        assert rest.startswith("loading shard 3 of 4\nINVALID\n")
        assert found.sealed.report.is_file()


@pytest.fixture
def driver(tmp_path):
    """A place of recordings, where nothing begins."""
    return Driver(tmp_path / "recordings")


@only_root
@pytest.mark.real
def test_read_only_file_system(driver, tmp_path):
    """Told before anything starts."""
    with disk(tmp_path / "fixed", "size=1m,ro") as place:
        argv = [sys.executable, "-m", "dashcam", "run", str(driver.recipe), "--root", str(place / "runs")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (exits.FAILED, "")
    assert done.stderr == (
        f"dashcam: {place / 'runs'} cannot be made: Read-only file system; choose a place that you can write to with "
        "--root\n"
    )


@pytest.mark.real
def test_no_room_to_begin(tmp_path):
    """A disk that is full before the start, with a mend; nothing of the run is left."""
    if not ROOT:
        pytest.skip("only root can make a small file system")
    with disk(tmp_path / "full", "size=1m") as place:
        made = Driver(place / "recordings")
        fill(place / "filler")
        done = made.call("run", str(made.recipe))
        assert (done.returncode, done.stdout) == (exits.FAILED, "")
        assert done.stderr.startswith(f"dashcam: {made.root}")
        assert done.stderr.endswith("cannot be written: No space left on device; choose another place with --root\n")
        assert made.runs() == []
        assert [path.name for path in made.root.iterdir()] == ["short.yaml"]


@pytest.mark.real
def test_image_that_is_missing(driver, tmp_path):
    """Which image, where it was looked for, and how to get it; sealed, and nothing was started."""
    done = driver.call("run", str(driver.recipe), "--runtime", "apptainer", "--images", str(tmp_path))
    found = Told(driver, done.returncode, done.stdout, done.stderr)
    assert found.code == exits.FAILED
    image = tmp_path / find("llamacpp").file
    mend = f"`dashcam images pull llamacpp --images {tmp_path}` where there is a network"
    assert found.out.startswith(f"failed: service llm: image llamacpp: {image} is not there: {mend}\nINVALID\n")
    assert Manifest.load(found.sealed.manifest).processes == []


REFUSES = """#!/bin/sh
echo "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified" >&2
exit 1
"""


def test_wrong_account(driver, tmp_path):
    """What Slurm says of an account, in its own words, with what was asked; no run directory is left."""
    (tmp_path / "sbatch").write_text(REFUSES)
    (tmp_path / "sbatch").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = driver.call("submit", str(driver.recipe), "--set", "allocation.account=p2009", PATH=path)
    assert (done.returncode, done.stdout) == (exits.FAILED, "")
    first, second = done.stderr.splitlines()
    assert first == (
        "dashcam: Slurm refuses the job: error: Batch job submission failed: Invalid account or account/partition "
        "combination specified"
    )
    assert second.startswith("    asked: sbatch ")
    assert "--account=p2009" in second
    assert driver.runs() == []


def test_missing_account(driver):
    """An account that the site wants and the recipe lacks is told before sbatch is asked."""
    done = driver.call("submit", str(driver.recipe), "--site", "meluxina")
    assert (done.returncode, done.stdout) == (exits.USAGE, "")
    assert done.stderr == (
        f"dashcam: 1 error in {driver.recipe}\n"
        f"  {driver.recipe}:1: allocation.account: is missing: meluxina takes no job without one\n"
        "    mend: name your project: account: p200000\n"
    )
    assert driver.runs() == []


def manifest_of(run: RunDirectory, **fields: object) -> Manifest:
    """Write a manifest."""
    made = Manifest(id=run.id, recipe={}, created=now(), **fields)
    made.save(run.manifest)
    return made


@pytest.fixture
def run(tmp_path):
    """A run directory."""
    made = RunDirectory.create(tmp_path, "20260101-000000-x-a1b2")
    manifest_of(made)
    return made


GPUS = {
    "name": "x",
    "allocation": {"gpus_per_node": 2},
    "services": {"app": {"kind": "llamacpp"}},
    "load": {"generator": "openai", "phases": [{"name": "steady", "for": 1, "rate": 1}]},
}


def test_gpu_asked_and_none_given(run):
    """A held job without GPUs ends the run before it starts; a node that shows none is noted."""
    recipe = Recipe.model_validate(GPUS)
    nodes = [Node(index=n, name=f"n{n}", address="::1", facts={"gpus": 4 * (n > 4)}) for n in range(6)]
    held = manifest_of(run, held=True, slurm={"SLURM_JOB_ID": "7"})
    with pytest.raises(AllocationError) as caught:
        list(gpus.check(recipe, held, nodes))
    assert str(caught.value) == (
        "allocation.gpus_per_node asks for 2, and job 7, which you hold, gives 0 on this node: hold one with "
        "`salloc --gres=gpu:2`, or --set allocation.gpus_per_node=0"
    )
    enough = held.model_copy(update={"slurm": {"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "2"}})
    assert list(gpus.check(recipe, enough, nodes[5:])) == []
    (note,) = gpus.check(recipe, enough, nodes)
    assert note.startswith("allocation.gpus_per_node asks for 2, and n0, n1, n2, n3 and 1 more shows no GPU")


QUOTA = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def fails(*_: object, **__: object) -> None:
    """Fail as a write does where the quota is used up."""
    raise QUOTA


def test_quota_in_the_words_of_each_part(run, monkeypatch, capfd):
    """The supervisor, the continuous copy and the room that is held tell a quota as that."""
    assert supervisor._os_error(QUOTA, run.path) == (
        f"{run.path} cannot be written: Disk quota exceeded; free some space or choose another place with --root"
    )
    journal = Journal.open(run)
    monkeypatch.setattr("prometheus.shipping.Shipment.ship", fails)
    copier = copying.Copier(journal, run.path / "nowhere", 1.0)
    copier.start()
    copier.finish()
    (note,) = Manifest.load(run.manifest).notes
    assert note == (
        f"the series could not be copied to {run.series_copy} (Disk quota exceeded): they live on the node's disk only "
        "until the end"
    )
    monkeypatch.setattr(atomic, "write", fails)
    copier = copying.Copier(journal, run.path / "nowhere", 1.0)
    journal.manifest.notes.clear()
    copier.start()
    copier.finish()
    assert "Disk quota exceeded" in capfd.readouterr().out
    monkeypatch.setattr(os, "posix_fallocate", fails)
    with pytest.raises(OSError, match="Disk quota exceeded"):
        reserve.take(run)


def test_room_is_held_and_given_back(run):
    """As much as is said, wholly there, and gone when it is needed; twice is no error."""
    reserve.take(run)
    held = run.live / "reserve"
    assert held.stat().st_blocks * 512 >= reserve.SIZE
    for _ in range(2):
        reserve.release(run)
    assert not held.exists()


@pytest.fixture(scope="module")
def cluster(slurm_lab):
    """The lab, used by dashcam."""
    return Cluster(slurm_lab)


@pytest.mark.real
@pytest.mark.timing
def test_a_held_job_without_gpus(cluster):
    """`salloc` without --gres, and a recipe that asks for a GPU: one message, sealed."""
    recipe = cluster.root / "gpu.yaml"
    recipe.write_text(
        "name: gpu\nallocation: {gpus_per_node: 1}\nservices: {llm: {kind: llamacpp, model: tiny}}\n"
        "load: {generator: openai, phases: [{name: steady, for: 1s, rate: 1}]}\n"
    )
    recipe.chmod(0o644)
    inside = [cluster.python, "-P", "-m", "dashcam", "run", str(recipe), "--root", str(cluster.root), "--json"]
    argv = ["salloc", "--nodes=1", "--time=2", "srun", "--overlap", "--nodes=1", "--ntasks=1", *inside]
    done = cluster.lab.run_as_user(argv, env=cluster.environment, cwd=cluster.root, check=False)
    answer = json.loads(done.stdout)
    assert answer["run"]["ending"] == "failed"
    assert "which you hold, gives 0 on this node: hold one with `salloc --gres=gpu:1`" in answer["run"]["reason"]
    assert answer["run"]["processes"] == []
    assert seal.verify(RunDirectory(Path(answer["path"]))).intact
    assert signal.Signals(15).name not in done.stderr
