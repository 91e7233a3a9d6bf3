"""What is left of a run on this machine when something is killed, or ends it before its time."""

import contextlib
import os
import shutil
import signal
import subprocess
import time

import pandas as pd
import pytest

from prometheus import snapshot
from runs.directory import RunDirectory
from tests.jobs.driver import Driver

pytestmark = [pytest.mark.real, pytest.mark.timing]


@pytest.mark.parametrize(
    ("name", "words"),
    [("prometheus", "prometheus (prometheus) died"), ("llm", "llm (service) died"), ("load", "load (load) died")],
)
def test_killed_program_ends_the_run_sealed(driver, name, words):
    """kill -9 of Prometheus, the service or the load: sealed, what died is said, series and requests are kept."""
    driver.write(20)
    child = driver.start("run", str(driver.recipe))
    driver.wait_phase("steady")
    driver.kill(name)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert words in out
    assert "SIGKILL" in out
    run = driver.sealed()
    assert words in driver.manifest()["reason"]
    assert snapshot.blocks(run.tsdb)[0].samples > 500
    assert len(pd.read_parquet(run.records)) > 5
    assert "INVALID" in run.report.read_text()


def test_killed_sidecar_is_said(driver):
    """kill -9 of a sidecar: the run goes on to its end; the death and the gap are in the verdict."""
    child = driver.start("run", str(driver.recipe))
    driver.wait_phase("steady")
    driver.kill("exporter-0")
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0, out
    driver.sealed()
    assert "exporter-0 (sidecar) died: signal SIGKILL; the run went on without it" in out
    rules = {finding["rule"] for finding in driver.manifest()["verdict"]["findings"]}
    assert {"died", "targets_up"} <= rules


def test_killed_supervisor_is_recovered(driver):
    """After kill -9 of the supervisor, `dashcam run` ends what is left and seals what there is."""
    driver.write(60)
    child = driver.start("run", str(driver.recipe))
    driver.wait_phase("steady")
    driver.kill("supervisor")
    out, err = child.communicate(timeout=60)
    assert child.returncode == 1, out
    assert "before the seal" in err
    run = driver.sealed()
    assert driver.manifest()["ending"] == "abandoned"
    assert snapshot.blocks(run.tsdb)[0].samples > 500
    assert len(pd.read_parquet(run.records)) > 5


@pytest.mark.parametrize(
    "command", ["recover", *(pytest.param(name, marks=pytest.mark.heavy) for name in ("status", "stop"))]
)
def test_run_without_anybody_is_recovered(driver, command):
    """With `dashcam run` and supervisor both killed, programs live on; who asks for the run next recovers it."""
    driver.write(60)
    child = driver.start("run", str(driver.recipe))
    driver.wait_phase("steady")
    child.kill()
    driver.kill("supervisor")
    child.communicate(timeout=20)
    assert driver.left()
    done = driver.call(command, "last")
    assert done.returncode == 0, done.stderr
    run = driver.sealed()
    assert driver.manifest()["ending"] == "abandoned"
    assert snapshot.blocks(run.tsdb)[0].samples > 500
    assert len(pd.read_parquet(run.records)) > 5


def test_run_whose_node_is_gone_is_recovered_from_its_copy(driver):
    """All processes killed at once and the node's disk gone: `list` makes a recording of the continuous copy."""
    driver.write(60)
    child = driver.start("run", str(driver.recipe))
    driver.wait_phase("steady")
    supervisor = driver.manifest()["supervisor"]["pid"]
    for pid in [child.pid, supervisor, *(pid for pid, _ in driver.left())]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    killed = time.time()
    child.communicate(timeout=20)
    driver.wait("the end of all", lambda: not driver.left())
    for scratch in driver.scratch():
        shutil.rmtree(scratch)
    done = driver.call("list")
    assert done.returncode == 0, done.stderr
    assert "was killed: recovering" in done.stderr
    assert "abandoned" in done.stdout
    run = driver.sealed()
    (block,) = snapshot.blocks(run.tsdb)
    assert block.samples > 500
    interval, round_of_copy = 0.5, 1.0
    assert killed - block.end < interval + round_of_copy + 0.5
    assert len(pd.read_parquet(run.records)) > 5


@pytest.mark.parametrize("how", ["interrupt", "stop"])
def test_cancelled_run_is_sealed(driver, how):
    """Ctrl-C and `dashcam stop` end a run soon, sealed, as cancelled, with exit code 130."""
    driver.write(60)
    child = driver.start("run", str(driver.recipe))
    driver.wait_phase("steady")
    if how == "interrupt":
        child.send_signal(2)
    else:
        assert "stopped" in driver.call("stop", "last").stdout
    out, _ = child.communicate(timeout=40)
    assert child.returncode == 130, out
    driver.sealed()
    assert driver.manifest()["ending"] == "cancelled"


def test_killed_command_line_ends_the_run(driver):
    """When `dashcam run` itself is killed, its supervisor ends the run and seals it."""
    driver.write(60)
    child = driver.start("run", str(driver.recipe))
    driver.wait_phase("steady")
    child.kill()
    child.communicate(timeout=20)
    driver.wait("the seal", lambda: RunDirectory(driver.runs()[-1]).sealed)
    driver.wait("the supervisor's end", lambda: not driver.left())
    assert driver.manifest()["ending"] == "cancelled"


def test_time_limit(driver):
    """A run that takes longer than allocation.time is ended, sealed, and says so."""
    done = driver.call("run", str(driver.write(60)), "--set", "allocation.time=11s")
    assert done.returncode == 1
    assert "time_limit" in done.stdout
    driver.sealed()
    assert driver.manifest()["ending"] == "time_limit"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small file system")
def test_disk_that_fills_up(driver):
    """A disk that fills up under a run ends it with one clear message, sealed while that is possible."""
    small = driver.root / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90m", "tmpfs", str(small)], check=True)
    try:
        full = Driver(small / "recordings")
        child = full.start("run", str(full.write(60)))
        full.wait_phase("steady")
        (small / "filler").write_bytes(bytes(60 * 2**20))
        out, _ = child.communicate(timeout=40)
        assert child.returncode == 1
        assert "the disk is full" in out
        full.sealed()
        assert full.left() == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
