"""What a lab's Slurm says about jobs, read from its own programs and files."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.config import Settings, freezer
from tests.lab.errors import LabError
from tests.lab.install import SYSTEM_PATH, program

_PAIR = re.compile(r"(?:^|\s)([A-Za-z][\w:/]*)=")


@dataclass(frozen=True)
class Step:
    """A line of `squeue --steps`."""

    id: str
    name: str
    nodes: str


def pairs(line: str) -> dict[str, str]:
    """Read a line of `Key=value Key=value`, where a value may hold spaces (a command, a reason)."""
    keys = list(_PAIR.finditer(line))
    ends = [key.start() for key in keys[1:]] + [len(line)]
    return {key[1]: line[key.end() : end].strip() for key, end in zip(keys, ends, strict=True)}


def ask(lab: Settings, *argv: str, timeout: float = 30) -> str:
    """Run a Slurm program as root and give its answer. Raises LabError with its error text."""
    env = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "SLURM_CONF": str(lab.slurm_conf)}
    full = [program(argv[0]), *argv[1:]]
    done = subprocess.run(full, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def job(lab: Settings, job_id: int | str) -> dict[str, str]:
    """Read a job as slurmctld knows it (for MinJobAge, 300 s, after its end)."""
    return pairs(ask(lab, "scontrol", "show", "job", "-o", str(job_id)).strip())


def steps(lab: Settings, job_id: int | str) -> list[Step]:
    """List the job's steps that are running now, the batch and extern steps among them."""
    answer = ask(lab, "squeue", "--steps", "--noheader", f"--jobs={job_id}", "--format=%i|%j|%N")
    return [Step(*line.strip().split("|", 2)) for line in answer.splitlines() if line.strip()]


def queue(lab: Settings) -> list[str]:
    """List the ids of all jobs that have not ended yet, completing ones included."""
    return ask(lab, "squeue", "--noheader", "--format=%A").split()


def node_states(lab: Settings) -> dict[str, str]:
    """Each node's state in one word, such as idle, mixed or down*."""
    answer = ask(lab, "sinfo", "--noheader", "--Node", "--format=%N %T")
    return dict(line.split(None, 1) for line in answer.splitlines() if line.strip())


def jobcomp(lab: Settings, job_id: int | str) -> dict[str, str] | None:
    """Find the line that jobcomp/filetxt wrote at the job's end, or None while there is none."""
    if not lab.job_log.exists():
        return None
    lines = (pairs(line) for line in lab.job_log.read_text().splitlines())
    return next((entry for entry in lines if entry.get("JobId") == str(job_id)), None)


def processes(job_id: int | str) -> list[int]:
    """Find the pids alive that belong to a job: by SLURM_JOB_ID in their environment, or by the job's cgroup."""
    found = pids_with(f"SLURM_JOB_ID={job_id}".encode()) | _pids_by_cgroup(job_id)
    return sorted(pid for pid in found if _alive(pid))


def pids_with(entry: bytes) -> set[int]:
    """Find the processes with this NAME=value in their environment."""
    found = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                found.add(int(folder.name))
        except OSError:
            continue  # it ended meanwhile, or is not ours to read
    return found


def pids_on(daemon: int) -> set[int]:
    """Find the processes of a node by its slurmd's pid: all that have its host name to themselves."""
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and (folder / "ns/uts").readlink() == Path(f"/proc/{daemon}/ns/uts").readlink():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def _pids_by_cgroup(job_id: int | str) -> set[int]:
    """Find processes in the job's groups, without Slurm's own placeholders (slurmstepd and the extern step's sleep)."""
    base = freezer()
    if base is None:
        return set()
    found: set[int] = set()
    for procs in base.glob(f"slurm_*/uid_*/job_{job_id}/step_*/**/cgroup.procs"):
        try:
            if "step_extern" not in procs.parts:
                found.update(int(line) for line in procs.read_text().split())
        except OSError:
            continue
    return found


def _alive(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0] not in "ZX" and Path(f"/proc/{pid}/comm").read_text().strip() != "slurmstepd"
    except (OSError, IndexError):
        return False


def remove_cgroups() -> None:
    """Remove the groups that Slurm leaves behind, from the inside out; those in use (by another lab) stay."""
    base = freezer()
    if base is None:
        return
    for top in [path for path in base.glob("slurm_node*") if path.is_dir()]:
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                continue
