"""A real Slurm on this machine: one controller, four nodes, an ordinary user."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import config, daemons, install, leftovers, queries, user
from tests.lab.errors import LabError, poll
from tests.lab.queries import Step

ENDED = frozenset({"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY"})


class SlurmLab:
    """A cluster that is started, used and taken away.

    with SlurmLab() as lab:
        lab.run_as_user(["srun", "-N4", "hostname"])
    """

    nodes = config.NODES
    gpu_nodes = config.GPU_NODES

    def __init__(self, *, kill_wait: int = 10) -> None:
        self._kill_wait = kill_wait
        self._settings: config.Settings | None = None
        self._daemons: list[daemons.Daemon] = []
        self._user: pwd.struct_passwd | None = None

    # ---- life

    def start(self) -> Self:
        """Start the cluster and wait until all nodes are idle. Raises LabError; nothing is left running then."""
        install.check_machine()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self._user = user.ensure_user()
        leftovers.sweep()
        root = Path(tempfile.mkdtemp(prefix=leftovers.PREFIX, dir=leftovers.HOME))
        root.chmod(0o755)
        leftovers.own(root)
        ports = daemons.lab_ports()
        lab = self._settings = config.Settings(
            root=root,
            ctld_port=ports[config.LOGIN],
            node_ports={node: ports[node] for node in config.NODES},
            kill_wait=self._kill_wait,
        )
        config.write(lab)
        munged = self._keep(daemons.start_munged(lab))
        daemons.wait_munged(munged, lab, timeout=10)
        controller = self._keep(daemons.start_controller(lab))
        daemons.wait_listening(controller, config.address(config.LOGIN), lab.ctld_port, timeout=20)
        for node in config.NODES:
            self._keep(daemons.start_node(lab, node))
        poll(self._all_idle, 30, self._why_not_idle)

    def _keep(self, daemon: daemons.Daemon) -> daemons.Daemon:
        self._daemons.append(daemon)
        return daemon

    def _all_idle(self) -> bool:
        for daemon in self._daemons:
            daemon.check()
        states = queries.node_states(self.settings)
        return len(states) == len(config.NODES) and set(states.values()) == {"idle"}

    def _why_not_idle(self) -> str:
        tails = "\n".join(daemon.tail() for daemon in self._daemons)
        return f"nodes are not all idle: {queries.node_states(self.settings)}\n{tails}"

    def stop(self) -> None:
        """Cancel all jobs, stop all daemons, remove everything. May be called at any time, also twice."""
        lab, self._settings = self._settings, None
        if lab is None:
            return
        try:
            if len(self._daemons) > 1:
                self._end_jobs(lab)
        finally:
            while self._daemons:
                self._daemons.pop().stop()
            leftovers.kill_strays(lab.root)
            queries.remove_cgroups()
            shutil.rmtree(lab.root, ignore_errors=True)

    def _end_jobs(self, lab: config.Settings) -> None:
        """Cancel all jobs, and wait until they are gone: stopping slurmd ends none of them."""
        try:
            left = queries.queue(lab)
            if left:
                queries.ask(lab, "scancel", *left)
                poll(lambda: not queries.queue(lab), self._kill_wait + 20, "jobs are still there after scancel")
        except (LabError, subprocess.TimeoutExpired) as error:
            if all(daemon.process.poll() is None for daemon in self._daemons):
                raise LabError(f"could not end the lab's jobs: {error}") from error

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---- accidents

    def lose(self, node: str) -> None:
        """Kill all processes of a node at once, slurmd among them, as a power cut does."""
        daemon = next(each for each in self._daemons if each.name == f"slurmd.{node}")
        left = queries.pids_on(daemon.process.pid)
        for pid in sorted(left, key=lambda pid: pid != daemon.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        daemon.process.wait()
        self._daemons.remove(daemon)

    def restore(self, node: str) -> None:
        """Start the slurmd of a lost node again, and wait until Slurm has the node back."""
        daemon = self._keep(daemons.start_node(self.settings, node, rebooted=True))
        daemons.wait_listening(daemon, config.address(node), self.settings.node_ports[node], timeout=20)
        good = {"idle", "mixed", "allocated"}
        poll(lambda: queries.node_states(self.settings).get(node) in good, 60, self._why_not_idle)

    # ---- where things are

    @property
    def settings(self) -> config.Settings:
        """What the running lab is made of. Raises LabError when it is not running."""
        if self._settings is None:
            raise LabError("the lab is not running: call start() first")
        return self._settings

    @property
    def user(self) -> pwd.struct_passwd:
        """The ordinary user."""
        if self._user is None:
            raise LabError("the lab is not running: call start() first")
        return self._user

    @property
    def contains_strays(self) -> bool:
        """Whether Slurm kills what a job leaves running (it does where it has cgroups to find it)."""
        return self.settings.with_cgroups

    @property
    def env(self) -> dict[str, str]:
        """The ordinary user's environment on the login node."""
        return user.environment(self.settings, self.user, {})

    def address(self, node: str) -> str:
        """Give the loopback address of a node, reachable from this process too."""
        return config.address(node)

    def user_dir(self) -> Path:
        """Make a new, empty folder that belongs to the user and is seen on all nodes."""
        folder = Path(tempfile.mkdtemp(dir=self.settings.root / "work"))
        folder.chmod(0o755)
        return user.hand_over(folder, self.user)

    def log(self, daemon: str) -> str:
        """Read the log of munged, slurmctld or slurmd.node1..4."""
        return (self.settings.root / "log" / f"{daemon}.log").read_text(errors="replace")

    # ---- doing things as the user

    def user_command(self, argv: Sequence[str], cwd: Path | None = None) -> list[str]:
        """Give the command line that starts argv as the user on the login node (with `env=lab.env`; the pid stays)."""
        login = self._daemons[1].process.pid
        return user.command(self.user, argv, cwd or Path(self.user.pw_dir), login)

    def run_as_user(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        check: bool = True,
        timeout: float = 60,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the user and wait. Raises LabError with its error text if check and it failed."""
        done = subprocess.run(
            self.user_command(argv, cwd),
            env=user.environment(self.settings, self.user, env or {}),
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            output = f"{done.stdout}{done.stderr}".strip()
            raise LabError(f"{' '.join(argv)} ended with {done.returncode}: {output}")
        return done

    def popen_as_user(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start a command as the user, in a session of its own; signals sent to it reach the command itself."""
        return subprocess.Popen(
            self.user_command(argv, cwd),
            env=user.environment(self.settings, self.user, env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def sbatch(self, script: str, *options: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
        """Submit a script given as text, and say the job's id. Its output is slurm-<id>.out in cwd."""
        where = cwd or self.user_dir()
        done = self.run_as_user(["sbatch", "--parsable", *options], cwd=where, env=env, stdin=script)
        return int(done.stdout.strip().split(";")[0])

    # ---- asking

    def job(self, job_id: int | str) -> dict[str, str]:
        """Read a job as `scontrol show job` describes it."""
        return queries.job(self.settings, job_id)

    def steps(self, job_id: int | str) -> list[Step]:
        """List the job's running steps."""
        return queries.steps(self.settings, job_id)

    def jobcomp(self, job_id: int | str, timeout: float = 30) -> dict[str, str]:
        """Wait for what is written down at the job's end, and give it."""
        return poll(lambda: queries.jobcomp(self.settings, job_id), timeout, f"job {job_id} is in no jobcomp record")

    def processes(self, job_id: int | str) -> list[int]:
        """Find the pids alive that belong to the job."""
        return queries.processes(job_id)

    def wait_state(self, job_id: int | str, states: str | Iterable[str], timeout: float = 30) -> dict[str, str]:
        """Wait until the job is in one of the states, and give it. Raises LabError if it ends in another one."""
        wanted = {states} if isinstance(states, str) else set(states)

        def reached() -> dict[str, str] | None:
            job = self.job(job_id)
            state = job["JobState"]
            if state in ENDED and state not in wanted:
                raise LabError(f"job {job_id} is {state}, not {' or '.join(sorted(wanted))}: {job}")
            return job if state in wanted else None

        return poll(reached, timeout, lambda: f"job {job_id} is not {wanted} but {self.job(job_id)}", every=0.05)

    def wait_ended(self, job_id: int | str, timeout: float = 60) -> dict[str, str]:
        """Wait until the job has ended, in whatever state, and has left the queue."""
        job = self.wait_state(job_id, ENDED, timeout)
        poll(lambda: str(job_id) not in queries.queue(self.settings), timeout, f"job {job_id} does not complete")
        return job
