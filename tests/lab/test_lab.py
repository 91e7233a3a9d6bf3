"""The lab itself: four nodes, an ordinary user, jobs and steps and signals that behave as on a site's Slurm."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import LabError, SlurmLab, leftovers, queries
from tests.lab.config import freezer
from tests.lab.errors import poll

pytestmark = pytest.mark.real

# A batch process that writes each signal's name and ends at once on TERM; `exec` makes it the batch script's process.
_LISTENER = """
import os, signal, sys, time
def say(number, frame):
    with open(sys.argv[1], "a") as out:
        out.write(signal.Signals(number).name + "\\n")
    if number == signal.SIGTERM:
        sys.exit(0)
signal.signal(signal.SIGTERM, say)
signal.signal(signal.SIGUSR1, say)
open(sys.argv[1], "a").write("ready\\n")
while True:
    time.sleep(0.05)
"""


def _listener(folder: Path) -> str:
    """Give a batch script whose process is the listener above, writing into folder/signals."""
    (folder / "listener.py").write_text(_LISTENER)
    return f"#!/bin/bash\nexec /usr/bin/python3 {folder}/listener.py {folder}/signals\n"


def _wait_line(path: Path, line: str, timeout: float = 30) -> None:
    """Wait until a file has a line."""
    poll(lambda: path.exists() and line in path.read_text().split(), timeout, f"no {line} in {path.name}")


def test_four_nodes_are_idle(slurm_lab: SlurmLab) -> None:
    """All nodes are registered and up, the last two with GPUs."""
    states = queries.node_states(slurm_lab.settings)
    assert list(states) == ["node1", "node2", "node3", "node4"]
    assert "node3" in queries.ask(slurm_lab.settings, "sinfo", "--noheader", "--partition=gpu", "--Node")


def test_a_step_over_all_nodes_sees_four_host_names(slurm_lab: SlurmLab) -> None:
    """Each node has its own host name, resolves the others, and runs tasks as the ordinary user."""
    done = slurm_lab.run_as_user(["srun", "-N4", "sh", "-c", "echo $(hostname) $(id -un) $(getent hosts node2)"])
    assert sorted(done.stdout.splitlines()) == [f"{node} benchuser 127.0.0.12 node2" for node in slurm_lab.nodes]


def test_the_user_has_no_privileges_and_a_clean_environment(slurm_lab: SlurmLab) -> None:
    """No capability, no group, no variable of the caller's reaches a command of the user."""
    os.environ["LAB_LEAK"] = "1"
    try:
        argv = ["sh", "-c", "env; id -u; id -G; grep CapEff /proc/self/status"]
        done = slurm_lab.run_as_user(argv, env={"GIVEN": "2"})
    finally:
        del os.environ["LAB_LEAK"]
    lines = done.stdout.splitlines()
    assert "GIVEN=2" in lines
    assert "LAB_LEAK=1" not in lines
    assert lines[-3:] == [str(slurm_lab.user.pw_uid), str(slurm_lab.user.pw_gid), "CapEff:\t0000000000000000"]


def test_a_batch_job_completes_and_is_written_down(slurm_lab: SlurmLab) -> None:
    """The script's output, the job's state and its jobcomp record agree."""
    folder = slurm_lab.user_dir()
    job_id = slurm_lab.sbatch("#!/bin/bash\nhostname; exit 3\n", "--nodelist=node2", cwd=folder)
    job = slurm_lab.wait_ended(job_id)
    assert (job["JobState"], job["ExitCode"], job["NodeList"]) == ("FAILED", "3:0", "node2")
    assert (folder / f"slurm-{job_id}.out").read_text() == "node2\n"
    assert slurm_lab.jobcomp(job_id)["JobState"] == "FAILED"


def test_gpus_are_given_to_jobs(slurm_lab: SlurmLab) -> None:
    """A fake GPU sets what a real one sets."""
    gpu = ["srun", "--partition=gpu", "--account=bench", "--qos=default", "--gres=gpu:2"]
    done = slurm_lab.run_as_user([*gpu, "sh", "-c", "echo $CUDA_VISIBLE_DEVICES $SLURM_GPUS_ON_NODE"])
    assert done.stdout == "0,1 2\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--partition=nope"], "invalid partition specified: nope"),
        (["--partition=gpu"], "Invalid account or account/partition combination specified"),
        (["--account=nope"], "Invalid account or account/partition combination specified"),
        (["--qos=nope"], "Invalid qos specification"),
        (["--time=99:00"], "Requested time limit is invalid"),
        (["--nodes=5"], "Node count specification invalid"),
        (["--gres=gpu:3", "--partition=gpu", "--account=bench"], "Requested node configuration is not available"),
    ],
)
def test_wrong_requests_are_refused_as_on_a_site(slurm_lab: SlurmLab, options: list[str], message: str) -> None:
    """The user reads Slurm's own sentence."""
    with pytest.raises(LabError, match=message):
        slurm_lab.sbatch("#!/bin/bash\n", *options)


def test_an_overlapping_step_runs_beside_another(slurm_lab: SlurmLab) -> None:
    """With --overlap a second step starts at once on the CPU that a first one holds."""
    folder = slurm_lab.user_dir()
    side = "srun --overlap --nodes=1 --ntasks=1 --nodelist=node2 --job-name"
    script = f"#!/bin/bash\n{side}=first sleep 60 &\n{side}=second sh -c 'touch {folder}/second; sleep 60' &\nwait\n"
    job_id = slurm_lab.sbatch(script, "--nodelist=node[1-2]", "--nodes=2", "--cpus-per-task=1", cwd=folder)
    poll((folder / "second").exists, 30, "the second step did not start")
    names = {step.name: step.nodes for step in slurm_lab.steps(job_id)}
    assert names["first"] == names["second"] == "node2"
    slurm_lab.run_as_user(["scancel", str(job_id)])
    slurm_lab.wait_ended(job_id)
    assert slurm_lab.processes(job_id) == []


def test_scancel_delivers_term_then_the_job_is_cancelled(slurm_lab: SlurmLab) -> None:
    """The batch process itself gets TERM."""
    folder = slurm_lab.user_dir()
    job_id = slurm_lab.sbatch(_listener(folder), cwd=folder)
    _wait_line(folder / "signals", "ready")
    assert slurm_lab.processes(job_id)
    slurm_lab.run_as_user(["scancel", str(job_id)])
    _wait_line(folder / "signals", "SIGTERM")
    assert slurm_lab.wait_ended(job_id)["JobState"] == "CANCELLED"


@pytest.mark.heavy  # tests.jobs.test_slurm has it with a run
def test_the_early_warning_arrives_before_the_time_limit(slurm_lab: SlurmLab) -> None:
    """Slurmctld looks at time limits every 30 s, and warns at the first look less than the asked time + 30 s ahead."""
    folder = slurm_lab.user_dir()
    job_id = slurm_lab.sbatch(_listener(folder), "--time=1", "--signal=B:USR1@60", cwd=folder)
    slurm_lab.wait_state(job_id, "RUNNING")
    _wait_line(folder / "signals", "SIGUSR1", timeout=40)
    assert slurm_lab.job(job_id)["JobState"] == "RUNNING"
    slurm_lab.run_as_user(["scancel", str(job_id)])
    slurm_lab.wait_ended(job_id)


@pytest.mark.skipif(freezer() is None, reason="without a writable cgroup v1 freezer Slurm cannot find strays")
def test_a_stray_process_is_killed_at_the_jobs_end(slurm_lab: SlurmLab) -> None:
    """A process that leaves its session does not outlive the job."""
    assert slurm_lab.contains_strays
    folder = slurm_lab.user_dir()
    stray = f"setsid sh -c 'echo $$ > {folder}/pid; exec sleep 300' </dev/null >/dev/null 2>&1 &"
    script = f"#!/bin/bash\n{stray}\nuntil [ -s {folder}/pid ]; do sleep 0.02; done\n"
    job_id = slurm_lab.sbatch(script, cwd=folder)
    slurm_lab.wait_ended(job_id)
    pid = int((folder / "pid").read_text())
    poll(lambda: not slurm_lab.processes(job_id), 15, "the stray is still alive")
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_two_labs_live_side_by_side_and_leave_nothing(slurm_lab: SlurmLab) -> None:
    """A second lab has its own ports and jobs; when it goes, its running jobs, files and groups go too."""
    with SlurmLab(kill_wait=2) as other:
        root = other.settings.root
        job_id = other.sbatch("#!/bin/bash\ntrap '' TERM\nsleep 300 & wait; sleep 300\n")
        other.wait_state(job_id, "RUNNING")
        assert str(job_id) not in queries.queue(slurm_lab.settings)
        assert str(job_id) in queries.queue(other.settings)
        pids = [daemon.process.pid for daemon in other._daemons]
    assert not root.exists()
    assert not any(_alive(pid) for pid in pids)
    assert str(root) not in Path("/proc/self/mounts").read_text()
    poll(lambda: not queries.processes(job_id), 5, "a cancelled job's processes live on")
    base = freezer()
    assert base is None or not list(base.glob(f"slurm_*/uid_*/job_{job_id}"))
    assert slurm_lab.run_as_user(["srun", "hostname"]).stdout.startswith("node")


def test_a_lab_that_cannot_start_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the failing daemon's log is in the error."""
    monkeypatch.setattr("tests.lab.config.slurm_conf", lambda _: "Nonsense=1\n")
    before = set(Path("/tmp").glob("lab-*"))  # noqa: S108  where labs live
    lab = SlurmLab()
    with pytest.raises(LabError, match=r"slurmctld ended with 1:\n.*Nonsense"):
        lab.start()
    with pytest.raises(LabError, match="not running"):
        _ = lab.settings
    assert set(Path("/tmp").glob("lab-*")) <= before  # noqa: S108


def test_a_killed_lab_is_swept_up_by_the_next(slurm_lab: SlurmLab) -> None:
    """A lab whose process was killed is found and taken away; living labs are left alone."""
    script = "from tests.lab import SlurmLab\nlab = SlurmLab().start()\njob = lab.sbatch('#!/bin/bash\\nsleep 300')\n"
    script += "lab.wait_state(job, 'RUNNING')\nprint(lab.settings.root, job, flush=True)\n"
    script += "import os\nos.kill(os.getpid(), 9)\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    root, job_id = done.stdout.split()
    assert Path(root) in leftovers.sweep()
    assert not Path(root).exists()
    assert queries.processes(job_id) == []
    assert len(queries.node_states(slurm_lab.settings)) == 4


def test_without_the_programs_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what to run."""
    monkeypatch.setattr("tests.lab.install.SYSTEM_PATH", "/nonexistent")
    with pytest.raises(LabError, match="make test-packages"):
        SlurmLab().start()


def test_the_command_runs_a_command_in_a_lab(tmp_path: Path) -> None:
    """`python -m tests.lab run` gives the command's output and exit code."""
    tmp_path.chmod(0o755)
    argv = [sys.executable, "-m", "tests.lab", "run", "--", "srun", "-N2", "sh", "-c", "hostname; exit 4"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert sorted(done.stdout.split()) == ["node1", "node2"]
    assert done.returncode == 4


def test_the_command_holds_a_lab_until_it_is_interrupted() -> None:
    """`python -m tests.lab up` says how to enter, and stops the lab on Ctrl-C."""
    argv = [sys.executable, "-m", "tests.lab", "up"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "is up" in process.stdout.readline()
        conf = process.stdout.readline().split("SLURM_CONF=")[1].split()[0]
        assert Path(conf).exists()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert not Path(conf).exists()
