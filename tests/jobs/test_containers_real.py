"""Whole runs in a real Apptainer: what runs, what it can see, what is left."""

import os
import shutil
import signal
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from apptainer.cache import Cache
from apptainer.image import find
from jobs import identity
from jobs.allocations import local
from jobs.containers import Containers, offer_prometheus
from jobs.program import Program
from prometheus import replay, snapshot
from prometheus.version import Version
from runs import seal
from runs.directory import RunDirectory
from tests.apptainer import real
from tests.jobs.driver import recordings

APPTAINER, WHY = real.find()
pytestmark = [pytest.mark.real, pytest.mark.timing, pytest.mark.skipif(APPTAINER is None, reason=WHY)]

STDLIB = sysconfig.get_path("stdlib")
# Debian's is older than the image's, and does not know that option.
NODE_EXPORTER = """#!/bin/sh
for word do
    shift
    case $word in --collector.filesystem.mount-points-include=*) ;; *) set -- "$@" "$word" ;; esac
done
exec /bin/debian-node-exporter "$@"
"""
RECIPE = """\
name: boxed
watch: {{interval: 500ms, exporters: [node, cgroup, process]}}
services:
  app:
    kind: command
    image: {sif}
    command: "python3 -P -m tests.jobs.faulty {{port}} {{address}}"
    ready: /ready
    metrics: /metrics
    url: "http://{{address}}:{{port}}/queue,takes=0.01"
load:
  generator: openai
  prompt_tokens: 8
  max_tokens: 4
  seed: 3
  drain: 2s
  phases:
    - {{name: warmup, for: 1s, rate: 5, arrival: constant}}
    - {{name: steady, for: {seconds}s, rate: 10, arrival: constant}}
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A cache with Prometheus and node_exporter, and an image of a service, of this machine's programs."""
    place = tmp_path_factory.mktemp("boxed")
    prometheus = shutil.which("prometheus")
    tree = real.root_file_system(place / "prometheus", {**real.TOOLS, "/bin/prometheus": prometheus})
    real.keep(APPTAINER, place / "images", find("prometheus"), tree, str(Version.of(prometheus)))
    files = {**real.TOOLS, "/bin/debian-node-exporter": shutil.which("prometheus-node-exporter")}
    tree = real.root_file_system(place / "node", files)
    (tree / "bin/node_exporter").write_text(NODE_EXPORTER)
    (tree / "bin/node_exporter").chmod(0o755)
    real.keep(APPTAINER, place / "images", find("node-exporter"), tree)
    import uvloop  # noqa: PLC0415 - where its files are, for this image only

    site = Path(uvloop.__file__).parent
    files = {
        **real.TOOLS, "/bin/python3": os.path.realpath(sys.executable), STDLIB: STDLIB, f"{STDLIB}/uvloop": str(site),
        **{f"{STDLIB}/tests/{name}": str(real.ROOT / "tests" / name) for name in ("__init__.py", "jobs", "loadtests")},
    }  # fmt: skip
    real.build(APPTAINER, place / "app.sif", real.root_file_system(place / "app", files))
    return place


@pytest.fixture
def driver(tmp_path, images):
    """A place of recordings; nothing of its runs may be left when a test is over, nor what mounted an image."""
    with recordings(tmp_path / "recordings") as made:
        yield made
    assert mounting(images) == set()


def mounting(place):
    """Return the processes that mount images of a directory: other tests may have theirs."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"squashfuse" in (entry / "cmdline").read_bytes():
                files = [str(file.readlink()) for file in (entry / "fd").iterdir()]
                found |= {int(entry.name) for file in files if file.startswith(f"{place}/")}
        except OSError:
            continue
    return found


def environment():
    """What a person's shell has."""
    return {"PATH": f"{Path(APPTAINER).parent}:{os.environ['PATH']}", "http_proxy": "http://127.0.0.1:9"}


def words(driver, images, seconds):
    """Return the arguments of a run."""
    driver.recipe.write_text(RECIPE.format(sif=images / "app.sif", seconds=seconds))
    return ("run", str(driver.recipe), "--runtime", "apptainer", "--images", str(images / "images"))


def test_whole_run(driver, images):
    """Service, Prometheus and node_exporter in images: complete, sealed, with their series and no noise of ours."""
    done = driver.call(*words(driver, images, 6), **environment())
    assert done.returncode in {0, 3}, done.stdout + done.stderr  # 3: a machine that hiccups makes a run INVALID
    run = RunDirectory(driver.runs()[-1])
    assert seal.verify(run).intact
    manifest = driver.manifest()
    assert manifest["ending"] == "completed"
    assert set(manifest["images"]) == {"app", "prometheus", "node-exporter-0"}
    for process in manifest["processes"]:
        assert process["exit_code"] in {0, -signal.SIGTERM}, process
    assert list(run.path.rglob("*.env")) == []
    with replay.open_blocks(run.tsdb, driver.root / "opened") as opened:
        end = max(block.end for block in snapshot.blocks(run.tsdb))
        for selector in ('node_uname_info{job="node"}', 'up{job="app"}', "node_filesystem_avail_bytes"):
            assert opened.client.query(f"last_over_time({selector}[1m])", end - 1), selector


def test_recording_is_opened_by_the_image(images, tmp_path, monkeypatch):
    """Where PATH has no Prometheus the image's opens a recording; nothing of it is left."""
    which = shutil.which
    monkeypatch.setenv("PATH", environment()["PATH"])
    monkeypatch.setattr("prometheus.replay.shutil.which", lambda name: None if name == "prometheus" else which(name))
    offer_prometheus(images / "images")
    try:
        with replay.open_blocks((), tmp_path) as opened:
            assert opened.client.ready()
            assert len(mounting(images)) == 1
    finally:
        offer_prometheus()
    assert list(tmp_path.iterdir()) == []
    assert mounting(images) == set()


@pytest.fixture
def containers(images, tmp_path):
    """A run with secrets of two programs."""
    run = RunDirectory.create(tmp_path / "recordings", "20260101-000000-test-abcd")
    run.secret("mine.key", "my secret")
    run.secret("foreign.key", "another's secret")
    (run.live / "web.yml").write_text(f"key_file: {run.live}/mine.key\n")
    (tmp_path / "scratch" / "foreign").mkdir(parents=True)
    (tmp_path / "scratch" / "foreign" / "data").write_text("another's data")
    return Containers(run, tmp_path / "scratch", Cache(images / "images"), environment=environment())


def started(containers, argv, log, **more):
    """Start a program in the image of Prometheus as a run would; returns its handle."""
    program = containers.enclose(Program("p", "service", 0, argv, image="prometheus", **more), 0)
    for words in program.prepare:
        assert local.call(words, os.environ, log, 30) == 0, log.read_text()
    return local.start(program, os.environ, log)


def test_secrets_of_others_are_out_of_sight(containers, tmp_path):
    """A program reads what its command line and its settings name; of the rest there is not even a name."""
    live = containers.run.live
    script = f"cat {live}/web.yml {live}/mine.key; ls {live} {live}/.. {tmp_path}/scratch; echo x > {live}/new"
    log = tmp_path / "log"
    handle = started(containers, ("sh", "-c", script), log)
    while handle.poll() is None:
        pass
    text = log.read_text()
    assert "my secret" in text
    assert "foreign" not in text
    assert "run.json" not in text
    assert "Read-only file system" in text


def test_nothing_outlives_a_killed_apptainer(containers, images, tmp_path):
    """What mounts the image has no tag of the run and a group of its own: it is found by its session."""
    handle = started(containers, ("sleep", "4712"), tmp_path / "log")
    deadline = time.monotonic() + 20
    while not (left := mounting(images)):
        assert time.monotonic() < deadline
    os.kill(handle.record.pid, signal.SIGKILL)
    assert left <= set(identity.in_session(handle.record.pid))
    assert handle.stop() == -signal.SIGKILL
    while mounting(images):
        assert time.monotonic() < deadline
