"""Programs of a run: none waits for another's start, and what is being started is stopped like the rest."""

import threading
from dataclasses import replace

import pytest

from jobs.crew import Crew, StoppedEarly
from jobs.journal import Journal
from jobs.program import Program
from runs.directory import RunDirectory
from runs.manifest import Manifest, Process, now

RUN = "20261125-101500-crew-a1b2"


class Handle:
    """A program that runs until it is stopped."""

    def __init__(self, name, role):
        self.record = Process(
            name=name, role=role, node=0, pid=1, start_ticks=1, log="logs/x.log", command=[name], started=now()
        )
        self.code = None

    def poll(self):
        """Tell how it ended."""
        return self.code

    def stop(self):
        """End it."""
        self.code = -15
        return self.code


class Allocation:
    """Starts programs; `slow` ones when they are let."""

    def __init__(self):
        self.let, self.begun = threading.Event(), threading.Event()
        self.handles = {}

    def start(self, program, _env, log):
        """Start one."""
        assert log.name == f"{program.name}.log"
        if program.name == "slow":
            self.begun.set()
            assert self.let.wait(10)
        self.handles[program.name] = Handle(program.name, program.role)
        return self.handles[program.name]


@pytest.fixture
def made(tmp_path):
    """A crew, its allocation and its journal."""
    run = RunDirectory.create(tmp_path, RUN)
    Manifest(id=RUN, recipe={}, state="starting", created=now(), allocation="local").save(run.manifest)
    journal, allocation, stopping = Journal.open(run), Allocation(), threading.Event()
    return Crew(journal, allocation, stopping), allocation, journal, stopping


def program(name, role):
    """Describe one that is ready at once."""
    return Program(name=name, role=role, node=0, argv=(name,))


def test_a_sidecar_that_is_slow_to_start_delays_no_service(made):
    """The service is ready while a sidecar before it is still being started, as a step of Slurm may take its time."""
    crew, allocation, journal, _ = made
    bringing = threading.Thread(target=crew.bring_up, args=([program("slow", "sidecar"), program("app", "service")],))
    bringing.start()
    assert allocation.begun.wait(10)
    assert ready(journal, "app")
    assert not crew.running("slow")
    allocation.let.set()
    bringing.join(10)
    assert crew.running("slow")
    assert crew.running("app")


def test_what_is_being_started_is_stopped(made):
    """A stop waits for starts that are under way, and lets none begin."""
    crew, allocation, _, stopping = made
    bringing = threading.Thread(target=crew.bring_up, args=([program("slow", "sidecar")],))
    bringing.start()
    assert allocation.begun.wait(10)
    stopping.set()
    ending = threading.Thread(target=crew.stop)
    ending.start()
    allocation.let.set()
    ending.join(10)
    bringing.join(10)
    assert allocation.handles["slow"].code == -15
    with pytest.raises(StoppedEarly):
        crew.bring_up([program("late", "sidecar")])
    assert "late" not in allocation.handles


def test_one_after_another(made):
    """What comes after another is not begun before that is ready, and never when the run is to stop."""
    crew, allocation, journal, _ = made
    programs = [replace(program("worker", "service"), after="slow"), program("slow", "service")]
    bringing = threading.Thread(target=crew.bring_up, args=(programs,))
    bringing.start()
    assert allocation.begun.wait(10)
    assert list(allocation.handles) == []
    allocation.let.set()
    bringing.join(10)
    assert list(allocation.handles) == ["slow", "worker"]
    assert ready(journal, "worker")


def test_what_waits_for_another_stops_with_the_run(made):
    """It does not wait for one that will never be ready."""
    crew, allocation, _, stopping = made
    programs = [
        replace(program("worker", "service"), after="never"),
        replace(program("never", "service"), probe=Never()),
    ]

    def bring_up():
        with pytest.raises(StoppedEarly):
            crew.bring_up(programs)

    bringing = threading.Thread(target=bring_up)
    bringing.start()
    threading.Event().wait(0.3)
    stopping.set()
    bringing.join(10)
    assert not bringing.is_alive()
    assert list(allocation.handles) == ["never"]


class Never:
    """Never ready."""

    def check(self):
        """Tell why."""
        return "never"


def ready(journal, name):
    """Wait until a program's readiness is on record."""
    for _ in range(1000):
        if any(each.name == name and each.ready for each in journal.manifest.processes):
            return True
        threading.Event().wait(0.01)
    return False
