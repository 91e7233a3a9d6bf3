"""`dashcam doctor`, as its user runs it: on this machine, and in a job of three nodes of the real Slurm."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.cluster import RECIPE, Cluster

ROOT = Path(__file__).parents[2]


def doctor(*arguments, **environment):
    """Run the command."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "dashcam", "doctor", *arguments],
        env={**env, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.real
def test_this_machine(tmp_path):
    """Everything that the demo needs is here; nothing is left of the look."""
    (tmp_path / "tmp").mkdir()
    done = doctor(
        *("--recipe", str(ROOT / "recipes" / "demo.yaml"), "--root", str(tmp_path / "r"), "--json"),
        TMPDIR=str(tmp_path / "tmp"),
    )
    answer = json.loads(done.stdout)
    assert done.returncode == 0, answer
    assert answer["ready"]
    assert answer["where"] == "here"
    states = {line["what"]: line["state"] for line in answer["checks"]}
    assert states["prometheus"] == states["recordings"] == states["node-local disk"] == states["ports"] == "ok"
    assert states["service llm (llamacpp)"] == "ok"
    assert not any(line["detail"].startswith("the check failed") for line in answer["checks"]), answer["checks"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["tmp"]


def test_what_the_recipe_needs_is_missing(tmp_path):
    """No Prometheus on PATH: exit code 1, the mend, and words for a person."""
    (tmp_path / "bin").mkdir()
    done = doctor("--root", str(tmp_path), PATH=str(tmp_path / "bin"))
    assert done.returncode == 1
    assert "missing   prometheus" in done.stdout
    assert "mend: on Debian `apt-get install prometheus`" in done.stdout
    assert "a run needs what is missing: prometheus, prometheus-node-exporter" in done.stdout
    assert not done.stderr


def test_wrong_words(tmp_path):
    """An unknown site and a wrong recipe are usage errors."""
    done = doctor("--site", "nowhere")
    assert done.returncode == 2
    assert "there are generic-slurm, lab, meluxina" in done.stderr
    (tmp_path / "r.yaml").write_text("name: x")
    assert doctor("--recipe", str(tmp_path / "r.yaml")).returncode == 2


@pytest.mark.real
@pytest.mark.timing
def test_in_a_job_of_three_nodes(slurm_lab):
    """As an ordinary user: the login node, then a job, from whose head the other nodes are looked at too."""
    cluster = Cluster(slurm_lab)
    recipe = cluster.root / "recipe.yaml"
    recipe.write_text(RECIPE.format(seconds=5, limit="00:05:00"))
    recipe.chmod(0o644)
    words = ("--site", "lab", "--recipe", str(recipe), "--json")
    answer = json.loads(cluster.call("doctor", *words).stdout)
    assert answer["where"] == "login"
    states = {line["what"]: line["state"] for line in answer["checks"]}
    assert states["sbatch"] == states["profile"] == states["allocation"] == "ok", answer
    output = cluster.root / "out.json"
    argv = [cluster.python, "-P", "-m", "dashcam", "doctor", *words, "--root", str(cluster.root)]
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in cluster.environment.items())
    job = slurm_lab.sbatch(
        f"#!/bin/bash\n{exports}{shlex.join(argv)} >{output}\n",
        *("--nodes=3", "--ntasks-per-node=1", "--cpus-per-task=2", "--mem=1000M"),
        cwd=cluster.root,
    )
    slurm_lab.wait_ended(job, timeout=90)
    answer = json.loads(output.read_text())
    assert answer["where"] == "job"
    assert answer["ready"], answer
    found = {line["what"]: line for line in answer["checks"]}
    assert found["srun --overlap"]["detail"] == "a step beside the job on 3 nodes"
    others = [what.removesuffix(" itself") for what in found if what.endswith(" itself")]
    assert len(others) == 2
    for name in others:
        assert found[name]["state"] == found[f"{name}'s clock"]["state"] == "ok"  # they are one machine's clock
        assert "node-local disk" in found[f"{name} itself"]["detail"]
    assert sorted(path.suffix for path in cluster.root.iterdir()) == [".json", ".out", ".yaml"]
    assert not list(Path("/tmp").glob("dashcam-*-doctor-*"))  # noqa: S108
