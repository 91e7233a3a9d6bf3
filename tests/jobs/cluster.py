"""`dashcam` on the login node of the Slurm lab, as its ordinary user."""

import json
import shutil
import sys
from pathlib import Path

from jobs import identity
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest
from tests.lab.errors import poll
from tests.lab.slurm import SlurmLab

RECIPE = """\
name: two-nodes
allocation: {{nodes: 2, time: "{limit}", warning: 20s, cpus_per_node: 2, memory: 1000M}}
watch: {{interval: 500ms}}
services:
  llm: {{kind: llamacpp, node: 1, model: tiny, parallel: 2, threads: 1}}
load:
  generator: openai
  prompt_tokens: 8
  max_tokens: 4
  seed: 3
  drain: 2s
  phases:
    - {{name: warmup, for: 1s, rate: 2, arrival: constant}}
    - {{name: steady, for: {seconds}s, rate: 5, arrival: constant}}
"""


class Cluster:
    """`dashcam` on the lab's login node, as its user."""

    def __init__(self, lab: SlurmLab) -> None:
        self.lab = lab
        self.root = lab.user_dir()
        self.environment, self.python = _readable(lab)

    def call(self, *arguments, check=True, timeout=90):
        """Run a command of dashcam's as the user."""
        argv = [self.python, "-P", "-m", "dashcam", *arguments, "--root", str(self.root)]
        return self.lab.run_as_user(argv, env=self.environment, cwd=self.root, check=check, timeout=timeout)

    def submit(self, seconds, limit="00:05:00", *options):
        """Submit the recipe; returns the run and its job id."""
        recipe = self.root / "recipe.yaml"
        recipe.write_text(RECIPE.format(seconds=seconds, limit=limit))
        recipe.chmod(0o644)
        answer = json.loads(self.call("submit", str(recipe), "--json", *options).stdout)
        return RunDirectory(Path(answer["path"])), answer["job"]

    def wait_running(self, run, job, phase="steady"):
        """Wait until the load is in a phase."""

        def there():
            path = run.load / "progress.json"
            state = json.loads(path.read_text()) if path.exists() else {}
            assert not run.sealed, Manifest.load(run.manifest).reason
            return state.get("phase") == phase and state["done"] > 5

        poll(there, 90, lambda: f"job {job} never reached {phase}: {self._why(run)}")

    def wait_sealed(self, run, job, within=60):
        """Wait for the job's end; the run must be sealed and nothing may be left of it."""
        self.lab.wait_ended(job, timeout=within)
        assert run.sealed, self._why(run)
        verified = seal.verify(run)
        assert verified.intact, verified
        assert list(identity.tagged(run.id)) == []
        left = [Path(f"/proc/{pid}/cmdline").read_text() for pid in self.lab.processes(job)]
        assert not left, left
        assert not list(Path("/tmp").glob(f"dashcam-*-{run.id}*"))  # noqa: S108
        return Manifest.load(run.manifest)

    def _why(self, run):
        logs = [f"{path}: {path.read_text(errors='replace')[-1500:]}" for path in run.logs.glob("s*.log")]
        return f"{Manifest.load(run.manifest).reason}\n{''.join(logs)}"


def _readable(lab):
    """Return environment and interpreter with which the user can run this checkout, copied where it is private.

    By PYTHONPATH, since what is installed may be another checkout.
    """
    checkout = Path(__file__).parents[2]
    here = {"PYTHONPATH": str(checkout)}
    question = [sys.executable, "-P", "-c", "import dashcam.cli; print(dashcam.cli.__file__)"]
    probe = lab.run_as_user(question, env=here, check=False)
    if probe.returncode == 0 and Path(probe.stdout.strip()).is_relative_to(checkout):
        return here, sys.executable
    copy = lab.user_dir()
    packages = Path(shutil.__file__).parent
    site = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
    assert packages.is_relative_to("/usr"), "the lab's user cannot read this checkout; make setup with /usr/bin/python3"
    shutil.copytree(site, copy / "site")
    for room in sorted(path.parent for path in checkout.glob("*/__init__.py") if path.parent.name != "tests"):
        shutil.copytree(room, copy / "site" / room.name)
    return {"PYTHONPATH": str(copy / "site")}, "/usr/bin/python3"
