"""Allocations in a real Slurm of four nodes: three nodes by role, components, sweeps, two jobs at once, a held one."""

import itertools
import json
from pathlib import Path

import pytest

from prometheus import replay, snapshot
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest
from tests.jobs.cluster import Cluster

pytestmark = [pytest.mark.real, pytest.mark.timing]

HEAD = """\
name: roles
allocation: {allocation}
watch: {{interval: 500ms, exporters: [{exporters}], grafana: off}}
services:
  llm: {{kind: llamacpp, model: tiny, parallel: 2, threads: 1, {place}}}
load:
  generator: openai
  prompt_tokens: 8
  max_tokens: 4
  seed: 3
  drain: 2s
  {load}
  phases:
    - {{name: steady, for: {seconds}s, rate: 5, arrival: constant}}
"""
PLAIN = '{{nodes: {nodes}, time: "00:05:00", warning: 20s, cpus_per_node: 2, memory: 1000M}}'


@pytest.fixture(scope="module")
def cluster(slurm_lab):
    """The lab, used by dashcam."""
    return Cluster(slurm_lab)


def write(cluster, allocation, place, load="node: 0", *, seconds=6, exporters="process", more=""):
    """Write a recipe; returns its path."""
    recipe = cluster.root / "roles.yaml"
    text = HEAD.format(allocation=allocation, place=place, load=load, seconds=seconds, exporters=exporters)
    recipe.write_text(text + more)
    recipe.chmod(0o644)
    return str(recipe)


def submitted(cluster, recipe):
    """Submit a recipe; returns its run and job."""
    answer = json.loads(cluster.call("submit", recipe, "--json").stdout)
    return RunDirectory(Path(answer["path"])), answer["job"]


def test_three_nodes_by_role(cluster, tmp_path):
    """An instance on each of the last two nodes, the load on the last, sidecars on all three: VALID, all watched."""
    recipe = write(
        cluster, PLAIN.format(nodes=3), "nodes: 1-last", "node: last", seconds=8, exporters="node, cgroup, process"
    )
    run, job = submitted(cluster, recipe)
    manifest = cluster.wait_sealed(run, job, within=120)
    assert manifest.ending == "completed", manifest.reason
    assert manifest.verdict is not None
    assert manifest.verdict.valid, manifest.verdict.findings
    nodes = [node.name for node in manifest.nodes]
    assert len(nodes) == 3
    on = {process.name: process.node for process in manifest.processes}
    assert (on["llm-0"], on["llm-1"], on["load"], on["prometheus"]) == (1, 2, 2, 0)
    assert {name for name in on if name.startswith("exporter-")} == {"exporter-0", "exporter-1", "exporter-2"}
    assert not [note for note in manifest.notes if "srun refuses" in note]
    assert manifest.slurm["SLURM_JOB_NUM_NODES"] == "3"
    block = snapshot.blocks(run.tsdb)[0]
    with replay.open_blocks(run.tsdb, tmp_path) as opened:
        asked = 'sum by (node) (max_over_time(llamacpp:tokens_predicted_total{job="llm"}[10m]))'
        told = {series.labels["node"]: series.values[0] for series in opened.client.query(asked, block.end)}
        watched = opened.client.query('count by (node) (max_over_time(up{job="node"}[10m]) == 1)', block.end)
    assert told.keys() == set(nodes[1:])
    low, high = sorted(told.values())
    assert high - low <= 8  # 40 requests in turn: as many for each, give or take what the model ends early
    assert {series.labels["node"] for series in watched} == set(nodes)


def test_components_are_a_heterogeneous_job(cluster):
    """Two GPUs for the service, a plain node for the load: each component gets what it asks for, and is told of."""
    allocation = (
        '{time: "00:05:00", warning: 20s, account: bench, memory: 1000M, cpus_per_node: 2, components: ['
        "{name: cpu, nodes: 1, partition: cpu}, {name: gpu, nodes: 1, partition: gpu, gpus_per_node: 2}]}"
    )
    run, job = submitted(cluster, write(cluster, allocation, "node: gpu", "node: cpu"))
    manifest = cluster.wait_sealed(run, job, within=120)
    assert manifest.ending == "completed", manifest.reason
    on = {process.name: (manifest.nodes[process.node].name, process.step) for process in manifest.processes}
    assert on["llm"][0] in cluster.lab.gpu_nodes
    assert on["llm"][1].startswith(f"{manifest.slurm['SLURM_JOB_ID_HET_GROUP_1']}.")
    assert on["load"][1] is None
    assert manifest.slurm["SLURM_HET_SIZE"] == "2"
    assert manifest.slurm["SLURM_JOB_PARTITION_HET_GROUP_1"] == "gpu"


def test_scancel_of_a_heterogeneous_job(cluster):
    """`scancel` of the leader ends all components; the recording is sealed."""
    allocation = '{time: "00:05:00", components: [{name: a, partition: cpu}, {name: b, partition: cpu}]}'
    run, job = submitted(cluster, write(cluster, allocation, "node: b", seconds=200))
    cluster.wait_running(run, job)
    assert json.loads(cluster.call("status", run.id, "--json").stdout)["problem"] == ""
    cluster.lab.run_as_user(["scancel", job])
    assert cluster.wait_sealed(run, job).ending == "cancelled"


def test_a_sweep_of_four(cluster):
    """Four jobs, one after another; --wait tells what became of each, and holds the points against the first."""
    more = "sweep:\n  load.phases.0.rate: [5, 10]\n  services.llm.ready_within: [60s, 10ms]\n"
    recipe = write(cluster, PLAIN.format(nodes=1), "node: 0", seconds=4, more=more)
    done = cluster.call("submit", recipe, "--wait", "--json", check=False, timeout=300)
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert [each["ending"] for each in answer["runs"]] == ["completed", "failed", "completed", "failed"]
    assert answer["missing"] == []
    assert [len(column["runs"]) for column in answer["comparison"]["columns"]] == [1, 1]
    manifests = []
    for each in answer["runs"]:
        run = RunDirectory(Path(each["path"]))
        assert run.id == f"{answer['id']}-{each['number']:04}"
        assert seal.verify(run).intact
        manifests.append(Manifest.load(run.manifest))
    # One after another: none began before the one before it had ended.
    for before, after in itertools.pairwise(manifests):
        assert after.supervisor.started >= before.ended
    told = cluster.call("sweep", "last").stdout
    assert "4 runs: 2 VALID, 2 failed" in told
    assert "was not ready within" in told


def test_a_sweep_is_stopped_as_a_whole(cluster):
    """`dashcam sweep --stop` withdraws what waits before it ends what runs."""
    recipe = write(cluster, PLAIN.format(nodes=1), "node: 0", seconds=200, more="repeats: 3\n")
    answer = json.loads(cluster.call("submit", recipe, "--json").stdout)
    runs = [RunDirectory(Path(each["path"])) for each in answer["runs"]]
    cluster.wait_running(runs[0], answer["runs"][0]["job"])
    told = cluster.call("sweep", answer["sweep"], "--stop")
    assert told.stderr.count("withdrawn") == 2
    assert "3 cancelled" in told.stdout
    assert all(seal.verify(run).intact for run in runs)
    assert not any(Manifest.load(run.manifest).processes for run in runs[1:])


def test_two_jobs_of_one_user_at_once(cluster):
    """Two runs side by side share no port, no file and no process."""
    recipe = write(cluster, PLAIN.format(nodes=2), "node: 1", seconds=8)
    runs = [submitted(cluster, recipe) for _ in range(2)]
    sealed = [cluster.wait_sealed(run, job, within=150) for run, job in runs]
    assert [manifest.ending for manifest in sealed] == ["completed", "completed"]
    assert all(manifest.verdict is not None and manifest.verdict.valid for manifest in sealed)
    spans = [(manifest.phases[0].started, manifest.phases[-1].ended) for manifest in sealed]
    assert max(begin for begin, _ in spans) < min(end for _, end in spans), "they did not run at once"


def test_in_an_allocation_that_is_held(cluster):
    """`salloc`, then `dashcam run` on one of its nodes: nothing is submitted, and it stays held."""
    recipe = write(cluster, PLAIN.format(nodes=2), "node: last")
    inside = [cluster.python, "-P", "-m", "dashcam", "run", recipe, "--root", str(cluster.root), "--json"]
    script = (
        'echo "$SLURM_JOB_ID" >&2; srun --overlap --nodes=1 --ntasks=1 "$@"; code=$?; '
        'squeue --noheader --format="%i %T" >&2; exit $code'
    )
    argv = ["salloc", "--nodes=2", "--time=5", "--cpus-per-task=2", "bash", "-c", script, "x", *inside]
    done = cluster.lab.run_as_user(argv, env=cluster.environment, cwd=cluster.root, check=False, timeout=150)
    assert done.returncode in {0, 3}, done.stderr + done.stdout
    answer = json.loads(done.stdout)
    manifest = answer["run"]
    job = manifest["slurm"]["SLURM_JOB_ID"]
    assert manifest["held"]
    assert manifest["allocation"] == "slurm"
    assert manifest["ending"] == "completed", manifest["reason"]
    assert len(manifest["nodes"]) == 2
    assert {process["name"]: bool(process["step"]) for process in manifest["processes"]}["llm"]
    queue = [line.split() for line in done.stderr.splitlines() if line.startswith(job) and " " in line]
    assert queue == [[job, "RUNNING"]]
    assert seal.verify(RunDirectory(Path(answer["path"]))).intact
    assert not (Path(answer["path"]) / "configs" / "job.id").exists()


def test_a_held_allocation_elsewhere(cluster):
    """On a host that is none of its nodes a run does not begin by accident: the error tells what to do."""
    recipe = write(cluster, PLAIN.format(nodes=1), "node: 0")
    inside = [cluster.python, "-P", "-m", "dashcam", "run", recipe, "--root", str(cluster.root)]
    argv = ["salloc", "--nodes=1", "--time=2", *inside]
    done = cluster.lab.run_as_user(argv, env=cluster.environment, cwd=cluster.root, check=False)
    assert done.returncode == 1
    assert "login is not among them" in done.stderr
    assert "srun --overlap" in done.stderr


def test_more_nodes_than_are_held(cluster):
    """A recipe that asks for more than is there fails at once, with its mend, and sealed."""
    recipe = write(cluster, PLAIN.format(nodes=3), "node: 2")
    inside = [cluster.python, "-P", "-m", "dashcam", "run", recipe, "--root", str(cluster.root), "--json"]
    argv = ["salloc", "--nodes=2", "--time=2", "srun", "--overlap", "--nodes=1", "--ntasks=1", *inside]
    done = cluster.lab.run_as_user(argv, env=cluster.environment, cwd=cluster.root, check=False)
    answer = json.loads(done.stdout)
    assert answer["run"]["ending"] == "failed"
    assert "allocation.nodes=2" in answer["run"]["reason"]
    assert seal.verify(RunDirectory(Path(answer["path"]))).intact
