"""The one long-lived process of a run, on the head of its allocation: `python -m jobs.supervisor RUN_DIRECTORY`."""

import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from grafana import archive
from jobs import exits, gpus, haste, identity, recovering, reserve, sbatch, scratch
from jobs.allocations import for_run, of_manifest
from jobs.allocations.base import Allocation, AllocationError
from jobs.copying import Copier
from jobs.crew import POLL_SECONDS, Crew, StoppedEarly, log_tail
from jobs.ending import Ending
from jobs.journal import Journal, say
from jobs.node import PortError
from jobs.plan import PORTS_PER_NODE, Plan, Planner
from jobs.program import StartError
from jobs.services.base import PlanError
from loadtests import progress
from prometheus.client import Client, PrometheusError
from prometheus.version import VersionError
from runs import atomic
from runs.directory import RunDirectory
from runs.manifest import Ending as EndingWord
from runs.manifest import Manifest, Process, Target, now
from runs.parent import follow
from runs.recipe import Recipe

TARGETS_WITHIN = 45.0
"""Seconds until every target must have been scraped: Prometheus hands targets over on a 5 s tick."""
SPACE_LEFT = 64 * 2**20
"""Bytes of free disk below which a run ends while it can still write its end."""


class Ended(Exception):  # noqa: N818 - the ordinary way out
    """The run is over: how, and in words why."""

    def __init__(self, ending: EndingWord, reason: str) -> None:
        self.ending: EndingWord = ending
        self.reason = reason
        super().__init__(reason)


class Supervisor:
    """Takes a run directory whose manifest holds the resolved recipe, and leaves a sealed recording."""

    def __init__(self, run: RunDirectory) -> None:
        self.run_directory = run
        self.journal = Journal.open(run)
        self.recipe = Recipe.model_validate(self.journal.manifest.recipe)
        self.site = of_manifest(self.journal.manifest)
        self.chosen = scratch.choose(self.site.local_disk)
        self.scratch = self.chosen.place / scratch.name(run.id)
        self.allocation: Allocation = for_run(self.journal.manifest, self.recipe, self.chosen.place)
        self.stopping = threading.Event()
        self.asked: Ended | None = None
        self.crew = Crew(self.journal, self.allocation, self.stopping)
        self.client: Client | None = None
        self.copier = Copier(self.journal, self.scratch / "prometheus", self.recipe.watch.interval)
        asked = self.recipe.allocation
        left = self.allocation.seconds_left
        self.seconds = asked.time if left is None else min(asked.time, max(0.0, left - asked.warning))
        self.deadline = time.monotonic() + self.seconds
        self._space_checked = 0.0

    def run(self) -> int:
        """Run to the end. Returns the exit code; nothing is raised for what can happen to a run."""
        begin = time.monotonic()
        try:
            try:
                self._begin()
                plan = self._plan()
                self._start(plan, begin)
                self._watch()
            except StoppedEarly:
                raise self.asked or Ended("failed", "a program stopped the start") from None
            except (StartError, PlanError, PortError, AllocationError, PrometheusError, VersionError) as error:
                raise self.asked or Ended("failed", str(error)) from error
            except OSError as error:
                raise Ended("failed", _os_error(error, self.run_directory.path)) from error
            except Ended:
                raise
            except Exception as error:
                say(traceback.format_exc())  # a fault of ours must not cost the recording
                raise Ended("failed", f"dashcam itself failed ({type(error).__name__}: {error})") from error
        except Ended as ended:
            return self._end(ended)
        raise AssertionError("a run ends by Ended")

    def listen(self) -> None:
        """Turn signals into a reason to end. SIGUSR1 is the early warning that `submit` asks of Slurm."""

        def on_signal(number: int, _frame: FrameType | None) -> None:
            if self.asked is None:
                if number == signal.SIGUSR1:
                    self.asked = Ended("time_limit", "the time limit of the allocation is near (early warning)")
                else:
                    self.asked = Ended("cancelled", f"asked to stop by {signal.Signals(number).name}")
            self.stopping.set()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, on_signal)

    def _begin(self) -> None:
        pid = os.getpid()
        record = Process(
            name="supervisor",
            role="supervisor",
            node=0,
            pid=pid,
            start_ticks=identity.start_ticks(pid) or 0,
            log="logs/supervisor.log",
            command=sys.argv,
            started=now(),
        )
        shutil.rmtree(self.scratch, ignore_errors=True)  # of an earlier attempt that was killed here
        scratch.claim(self.scratch, self.run_directory.path)
        reserve.take(self.run_directory)
        self.journal.set(supervisor=record, state="starting", scratch=str(self.scratch), slurm=self.allocation.facts())
        cleared = scratch.clear(scratch.places(self.site.local_disk), recovering.save)
        gone = f"left on this node by dead runs, and cleared: {', '.join(cleared)}" if cleared else ""
        for note in filter(None, (self.chosen.note, gone)):
            self.journal.note(note)

    def _plan(self) -> Plan:
        nodes, ports = self.allocation.nodes(PORTS_PER_NODE)
        self.journal.set(nodes=nodes)
        for note in (*self.allocation.notes, *gpus.check(self.recipe, self.journal.manifest, nodes)):
            self.journal.note(note)
        # First: Grafana's home is one of them.
        archive.write(self.run_directory.dashboards, self.run_directory.id, self.recipe)
        plan = Planner(self.run_directory, self.recipe, nodes, ports, self.scratch, self.site).plan()
        targets = [Target(job=s.job, role=s.role, node=s.node, instance=s.instance) for s in plan.scrapes]

        def change(manifest: Manifest) -> None:
            manifest.versions.update(plan.versions)
            manifest.images.update(plan.images)
            manifest.notes.extend(plan.notes)
            manifest.seeds["load"] = self.recipe.load.seed
            manifest.targets = targets
            manifest.endpoints = {
                "prometheus": plan.prometheus_url,
                "prometheus_user": plan.prometheus_user,
                "prometheus_password_file": str(plan.prometheus_password),
                **({} if plan.prometheus_ca is None else {"prometheus_ca": str(plan.prometheus_ca)}),
                "prometheus_data": str(plan.prometheus_data),
                **plan.endpoints,
            }

        self.journal.update(change)
        return plan

    def _start(self, plan: Plan, begin: float) -> None:
        timings = self.journal.manifest.timings
        self.copier.start()
        self.crew.bring_up(plan.first)
        timings["start_to_services_ready"] = round(time.monotonic() - begin, 3)
        self.client = Client.of(self.journal.manifest.endpoints)
        self.crew.bring_up(plan.load)
        patience = max(
            (self.recipe.services[name].ready_within for name in self.recipe.targets), default=TARGETS_WITHIN
        )
        self._wait("the load is set up", self._load_is_ready, patience)
        self._wait("every target has been scraped", self._targets_are_up, TARGETS_WITHIN)
        timings["start_to_targets_up"] = round(time.monotonic() - begin, 3)
        timings["submit_to_targets_up"] = round((now() - self.journal.manifest.created).total_seconds(), 3)
        atomic.write(plan.go_file, "")
        self.journal.set(state="running")

    def _load_is_ready(self) -> str | None:
        state = progress.read(self.run_directory.load)
        if state is not None and state.state == "failed":
            raise Ended("failed", f"the load's set-up failed: {state.message}")
        return None if state is not None and state.state == "ready" else "its set-up goes on"

    def _targets_are_up(self) -> str | None:
        assert self.client is not None  # noqa: S101 - set before this is asked
        targets = self.client.targets()
        missing = len(self.journal.manifest.targets) - len(targets)
        if missing > 0:
            return f"Prometheus knows {len(targets)} of {len(targets) + missing} targets"
        down = [target for target in targets if target.health != "up"]
        return "; ".join(f"{t.job} on {t.labels.get('node')}: {t.last_error or t.health}" for t in down) or None

    def _wait(self, what: str, ask: Callable[[], str | None], within: float) -> None:
        deadline = time.monotonic() + within
        while (reason := ask()) is not None:
            self._check()
            if time.monotonic() > deadline:
                raise StartError(f"waited {within:.0f} s until {what}: {reason}")
            time.sleep(POLL_SECONDS)

    def _watch(self) -> None:
        """Stay until the load is done or something ends the run."""
        while True:
            self._check()
            state = progress.read(self.run_directory.load)
            if state is not None and state.state == "failed":
                raise Ended("failed", f"the load failed: {state.message}")
            if state is not None and state.state == "done":
                raise Ended("completed", "the load ran to its end")
            time.sleep(POLL_SECONDS)

    def _check(self) -> None:
        if self.asked is not None:
            raise self.asked
        for program, how in self.crew.died():
            text = f"{program.name} ({program.role}) died: {how}"
            if program.essential:
                self._writable(text)
                raise Ended("failed", text + log_tail(self.run_directory.logs / f"{program.name}.log"))
            self.journal.note(f"{text}; the run went on without it")
        if time.monotonic() > self.deadline:
            limit = "allocation.time" if self.seconds == self.recipe.allocation.time else "what the job has left"
            raise Ended("time_limit", f"the run took longer than {limit}, {self.seconds:.0f} s")
        if time.monotonic() - self._space_checked > 2.0:
            self._space_checked = time.monotonic()
            for place in (self.run_directory.path, self.scratch):
                if shutil.disk_usage(place).free < SPACE_LEFT:
                    raise Ended("failed", f"less than {SPACE_LEFT >> 20} MB are free for {place}: the disk is full")

    def _writable(self, text: str) -> None:
        """Find out whether what `text` tells is the doing of a full disk or a quota, which no log could take."""
        probe = self.run_directory.live / "probe"
        try:
            atomic.write(probe, bytes(65536))
            probe.unlink()
        except OSError as error:
            raise Ended("failed", f"{_os_error(error, self.run_directory.path)}: {text}") from error

    def _end(self, ended: Ended) -> int:
        say(f"ending: {ended.ending}: {ended.reason}")
        reserve.release(self.run_directory)
        self.stopping.set()
        ending, begin = Ending(self.journal), time.monotonic()
        try:
            self.journal.set(state="ending", ending=ended.ending, reason=ended.reason)
        except OSError as error:
            say(_os_error(error, self.run_directory.path))
        if ended.ending == "completed" and self.client is not None:
            # The load stays until it is stopped, so that the last figures are scraped once more.
            time.sleep(2 * self.recipe.watch.interval)
        with ending.step("stopping the load", "stop_load"):
            self.crew.stop([process.name for process in self.journal.manifest.processes if process.role == "load"])
        data, left = self.scratch / "prometheus", self._time_left(ended)
        hurried = self.crew.running("prometheus") and haste.presses(haste.head(data), left)
        if hurried:
            with ending.step("stopping Prometheus"):
                self.crew.stop(["prometheus"])
        whole = False
        with ending.step("the last round of the continuous copy", "copy"):
            whole = self.copier.finish()  # from here on even a kill costs nothing
        if hurried and whole and left is not None:
            ending.defer(left)
        else:
            client = self.client if self.crew.running("prometheus") else None
            ending.save_series(client, data, self.scratch / "reopened")
        with ending.step("stopping the programs", "stop_programs"):
            # Services first: at their end they send their last traces to a sidecar.
            self.crew.stop([process.name for process in self.journal.manifest.processes if process.role == "service"])
            self.crew.stop()
        ending.save_records()
        ending.kill_leftovers()
        with ending.step("the clean-up of the other nodes"):
            self.allocation.clean(self.scratch)
        self.journal.manifest.timings["load_end_to_report"] = round(time.monotonic() - begin, 3)
        ending.seal(self.scratch, begin if ended.ending == "completed" else None)
        if not self.run_directory.sealed:
            return exits.UNWRITABLE
        code = exits.of(self.journal.manifest)
        return exits.FAILED if ending.problems and code != exits.INTERRUPTED else code

    def _time_left(self, ended: Ended) -> float | None:
        """Return the seconds until Slurm cuts the end off; None: nothing does."""
        if self.allocation.kind == "local" or (self.asked is None and ended.ending != "time_limit"):
            return None
        warned = self.asked is not None and ended.ending == "time_limit"
        return haste.kill_wait() + (sbatch.warning(self.recipe.allocation) if warned else 0.0)


def _os_error(error: OSError, path: Path) -> str:
    place = error.filename or path
    return f"{place} cannot be written: {error.strerror}; free some space or choose another place with --root"


def main(argv: list[str]) -> int:
    """Supervise the run of the given directory; with --parent PID, only for as long as that process lives."""
    supervisor = Supervisor(RunDirectory(Path(argv[0])))
    supervisor.listen()
    if "--parent" in argv:
        follow(int(argv[argv.index("--parent") + 1]))
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
