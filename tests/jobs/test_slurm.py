"""Runs in a real Slurm of four nodes, as an ordinary user: two nodes, cancelled, and at the time limit."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from prometheus import replay, snapshot
from prometheus.client import Client
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest
from tests.jobs.cluster import RECIPE, Cluster

pytestmark = [pytest.mark.real, pytest.mark.timing]


@pytest.fixture(scope="module")
def cluster(slurm_lab):
    """The lab, used by dashcam."""
    return Cluster(slurm_lab)


def by_tls(manifest):
    """Ask the run's Prometheus, by the run's CA: job and node of each target that is up over https."""
    ends = manifest.endpoints
    assert ends["prometheus"].startswith("https://")
    assert not Client.of({**ends, "prometheus_ca": ""}).ready()
    answer = Client.of(ends)._ask("GET", "/api/v1/targets?state=active")["activeTargets"]
    up = [target for target in answer if target["health"] == "up" and target["scrapeUrl"].startswith("https://")]
    return {(target["labels"]["job"], target["labels"]["node"]) for target in up}


def test_two_node_run(cluster, tmp_path):
    """Service on the second node, load on the first, sidecars on both: a VALID recording with both nodes' series.

    What is ours is scraped by TLS, and no key is left of it.
    """
    run, job = cluster.submit(12)
    cluster.wait_running(run, job)
    scraped = by_tls(Manifest.load(run.manifest))
    manifest = cluster.wait_sealed(run, job, within=120)
    assert manifest.ending == "completed", manifest.reason
    assert manifest.verdict is not None
    assert manifest.verdict.valid, manifest.verdict.findings
    assert manifest.slurm["SLURM_JOB_ID"] == job
    head, second = (node.name for node in manifest.nodes)
    steps = {process.name: process.step for process in manifest.processes}
    assert steps["llm"]
    assert steps["exporter-1"]
    assert steps["load"] is None
    nodes = {(job_name, name) for job_name in ("node", "exporter") for name in (head, second)}
    assert scraped == {*nodes, ("load", head)}
    left = [path for path in run.path.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert (left, run.live.exists()) == ([], False)
    block = snapshot.blocks(run.tsdb)[0]
    with replay.open_blocks(run.tsdb, tmp_path) as opened:
        for job_name in ("node", "exporter"):
            expression = f'count by (node) (max_over_time(up{{job="{job_name}"}}[10m]) == 1)'
            assert {series.labels["node"] for series in opened.client.query(expression, block.end)} == {head, second}
        expression = 'max_over_time(process_tree_cpu_seconds_total{service="llm"}[10m])'
        # The lab's nodes share one /proc, so that each sees the other's processes; real nodes do not.
        assert {series.labels["node"] for series in opened.client.query(expression, block.end)} >= {second}
        expression = 'cgroup_info{scope="job"}'
        found = opened.client.query(f"max_over_time({expression}[10m])", block.end)
        assert {series.labels["slurm_job_id"] for series in found} <= {job}
    assert (run.configs / "job.sbatch").read_text().startswith("#!/bin/bash\n")


def test_a_load_on_two_nodes(cluster):
    """A load of two processes on each of two nodes: steps of Slurm, one record, one progress, one page of series."""
    options = ("--set", "load.nodes=[0, 1]", "--set", "load.processes=2", "--set", "load.phases.1.rate=20")
    run, job = cluster.submit(8, "00:05:00", *options)
    manifest = cluster.wait_sealed(run, job, within=120)
    assert manifest.ending == "completed", manifest.reason
    assert manifest.verdict is not None
    assert manifest.verdict.valid, manifest.verdict.findings
    steps = {process.name: process.step for process in manifest.processes if process.role == "load"}
    assert steps["load"] is None
    assert steps["load-1"]
    frame = pd.read_parquet(run.records)
    assert sorted(frame.request) == list(range(2 + 160))
    assert frame.ok.all()
    result = json.loads((run.load / "result.json").read_text())
    assert sum(result["notes"]["processes"]["on"].values()) == 4
    assert [target.job for target in manifest.targets].count("load") == 1
    assert [path.name for path in run.load.glob("requests*")] == ["requests.parquet"]


def test_scancel_reaches_a_load_on_two_nodes(cluster):
    """`scancel` in the middle: all load processes of both nodes end, and what they did is one record."""
    run, job = cluster.submit(200, "00:05:00", "--set", "load.nodes=[0, 1]", "--set", "load.processes=2")
    cluster.wait_running(run, job)
    cluster.lab.run_as_user(["scancel", job])
    manifest = cluster.wait_sealed(run, job)
    assert manifest.ending == "cancelled"
    frame = pd.read_parquet(run.records)
    assert frame.request.is_unique
    assert len(frame) > 5


def test_scancel_leaves_a_sealed_recording(cluster):
    """`scancel` in the middle: sealed within KillWait, and the manifest says that it was cancelled."""
    run, job = cluster.submit(200)
    cluster.wait_running(run, job)
    cluster.lab.run_as_user(["scancel", job])
    manifest = cluster.wait_sealed(run, job)
    assert manifest.ending == "cancelled"
    assert "SIGTERM" in manifest.reason
    assert snapshot.blocks(run.tsdb)[0].samples > 500


def test_early_warning_before_the_time_limit(cluster):
    """Before the time limit Slurm warns; the run ends by itself, sealed, as `time_limit`."""
    run, job = cluster.submit(200, "00:01:00", "--set", "allocation.warning=25s")
    manifest = cluster.wait_sealed(run, job, within=120)
    assert manifest.ending == "time_limit"
    assert snapshot.blocks(run.tsdb)[0].samples > 500
    assert cluster.lab.jobcomp(job)["JobState"] != "TIMEOUT"


def test_stop_ends_a_job(cluster):
    """`dashcam stop` ends the job through its supervisor."""
    run, job = cluster.submit(200)
    cluster.wait_running(run, job)
    assert "stopped" in cluster.call("stop", run.id).stdout
    manifest = cluster.wait_sealed(run, job)
    assert manifest.ending == "cancelled"


def test_stop_withdraws_a_waiting_job(cluster):
    """`dashcam stop` of a job that waits takes it out of the queue and seals what there is: the recipe."""
    run, _ = cluster.submit(5, "00:05:00", "--set", "allocation.nodes=4")
    waiting, second = cluster.submit(
        5, "00:05:00", "--set", "allocation.nodes=4", "--set", "allocation.cpus_per_node=8"
    )
    if cluster.lab.job(second)["JobState"] == "PENDING":
        assert "withdrawn" in cluster.call("stop", waiting.id).stdout
        assert Manifest.load(waiting.manifest).ending == "cancelled"
    else:
        cluster.call("stop", waiting.id)
    cluster.call("stop", run.id)
    for item in (run, waiting):
        assert seal.verify(item).intact


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["allocation.partition=nowhere"], ["generic-slurm has no partition 'nowhere'", "there are cpu, gpu"]),
        (["allocation.nodes=99"], ["99 asked, partition cpu of generic-slurm has 4", "ask 4 at most"]),
        (
            ["allocation.partition=gpu", "allocation.gpus_per_node=3", "allocation.time=1h", "watch.exporters=[nod]"],
            ["4 errors", "3 asked, partition gpu of lab has 2", "ends jobs after 10m", "account: is missing", "'nod'"],
        ),
    ],
)
def test_what_slurm_would_refuse_is_told_before(cluster, options, words):
    """By what Slurm says of its partitions and the profile of its accounts: all at once; no run directory is left."""
    site = ("--site", "lab") if len(options) > 1 else ()
    done = _refused(cluster, options, site)
    assert done.returncode == 2
    assert all(word in done.stderr for word in words), done.stderr
    assert "Slurm refuses" not in done.stderr


def test_slurm_refuses(cluster):
    """What only Slurm knows it refuses in its own words; no run directory is left."""
    done = _refused(cluster, ["allocation.account=nobody"], ())
    assert done.returncode == 1
    assert "Slurm refuses the job" in done.stderr
    assert "Invalid account" in done.stderr


def _refused(cluster, options, site):
    before = set(cluster.root.iterdir())
    recipe = cluster.root / "recipe.yaml"
    recipe.write_text(RECIPE.format(seconds=5, limit="00:05:00"))
    sets = [word for option in options for word in ("--set", option)]
    done = cluster.call("submit", str(recipe), *sets, *site, check=False)
    assert set(cluster.root.iterdir()) - {recipe} == before - {recipe}
    return done


def test_a_module_that_cannot_be_loaded(cluster):
    """A site's module that the node does not have ends the run before it starts: a sealed recording that says so."""
    profile = cluster.root / "modules.yaml"
    profile.write_text("{name: modules, modules: {load: [nowhere/1.0]}}")
    profile.chmod(0o644)
    run, job = cluster.submit(5, "00:05:00", "--site", str(profile))
    manifest = cluster.wait_sealed(run, job)
    assert manifest.ending == "failed"
    assert manifest.reason == "this node has no command `module`: see logs/slurm.log"


SRUN = """#!/bin/sh
for word in "$@"; do
    [ "$word" != --unbuffered ] || { echo "srun: unrecognized option '$word'" >&2; exit 1; }
done
exec /usr/bin/srun "$@"
"""


def test_a_launcher_that_refuses_a_flag(cluster):
    """An srun that knows no --unbuffered is used without it; what a dead run left on the nodes goes at the start."""
    programs = cluster.lab.user_dir()
    (programs / "srun").write_text(SRUN)
    (programs / "srun").chmod(0o755)
    left = Path(f"/tmp/dashcam-{cluster.lab.user.pw_uid}-20200101-000000-two-nodes-a1b2")  # noqa: S108
    left.mkdir()
    for path in (left, left / "data"):
        path.mkdir(exist_ok=True)
        os.chown(path, cluster.lab.user.pw_uid, -1)
    for path in (left / "data", left):
        os.utime(path, (0, 0))
    before = dict(cluster.environment)
    cluster.environment["PATH"] = f"{programs}:{cluster.lab.env['PATH']}"
    try:
        run, job = cluster.submit(5, "00:05:00", "--site", "lab")
    finally:
        cluster.environment = before
    manifest = cluster.wait_sealed(run, job, within=120)
    assert manifest.ending == "completed", manifest.reason
    steps = [process for process in manifest.processes if process.step]
    assert steps
    assert all("--overlap" in step.command and "--unbuffered" not in step.command for step in steps)
    assert not left.exists()
    assert any(note.endswith(f"cleared: {left.name.split('-', 2)[2]}") for note in manifest.notes), manifest.notes


def test_hostile_directory_names(cluster):
    """A root with quotes, blanks, percent signs and $(...) in its name is a name and nothing else."""
    root = cluster.root / 'it\'s a "test" %j $(touch hacked) `id`'
    recipe = cluster.root / "recipe.yaml"
    recipe.write_text(RECIPE.format(seconds=5, limit="00:05:00"))
    argv = [cluster.python, "-P", "-m", "dashcam", "submit", str(recipe), "--root", str(root), "--json"]
    done = cluster.lab.run_as_user(argv, env=cluster.environment, cwd=cluster.root)
    answer = json.loads(done.stdout)
    run = RunDirectory(Path(answer["path"]))
    manifest = cluster.wait_sealed(run, answer["job"], within=120)
    assert manifest.ending == "completed", manifest.reason
    assert not list(cluster.root.rglob("hacked"))
