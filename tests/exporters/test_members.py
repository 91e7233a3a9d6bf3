"""Which processes belong to which program."""

import shutil
from pathlib import Path

import pytest

from exporters.members import Members, Wanted
from tests.exporters.trees import FakeProcess

RUN = "20261123-142207-demo-a3f9"


def tagged(service: str, run: str = RUN) -> dict[str, str]:
    """Return the environment of a program of the run."""
    return {"HOME": "/", "DASHCAM_RUN_ID": run, "DASHCAM_PROCESS": service}


def services(members: Members) -> dict[int, str]:
    """Return the service of each member by pid."""
    return {member.pid: member.service for member in members.scan()}


def test_tagged_processes_and_their_children(tmp_path: Path) -> None:
    """A child that overwrote its environment belongs where its parent belongs; strangers do not."""
    for one in (
        FakeProcess(1, parent=0, start=1),
        FakeProcess(100, start=10, environment=tagged("db")),
        FakeProcess(101, parent=100, start=11, environment={"clobbered": "title"}),
        FakeProcess(102, parent=101, start=12),
        FakeProcess(200, start=10, environment=tagged("llm")),
        FakeProcess(300, start=10, environment=tagged("llm", run="another")),
        FakeProcess(301, parent=300, start=10),
        FakeProcess(400, start=10, environment={"PATH": "/bin"}),
    ):
        one.write(tmp_path)
    assert services(Members(tmp_path, Wanted(RUN))) == {100: "db", 101: "db", 102: "db", 200: "llm"}


def test_a_child_with_a_lower_pid_than_its_parent(tmp_path: Path) -> None:
    """Pids wrap around; parents still come first."""
    FakeProcess(500, start=10, environment=tagged("db")).write(tmp_path)
    FakeProcess(20, parent=500, start=11).write(tmp_path)
    assert [member.pid for member in Members(tmp_path, Wanted(RUN)).scan()] == [500, 20]


def test_a_reparented_process_that_was_seen_stays(tmp_path: Path) -> None:
    """Its parent ended, it goes on under pid 1."""
    FakeProcess(100, start=10, environment=tagged("db")).write(tmp_path)
    FakeProcess(101, parent=100, start=11).write(tmp_path)
    members = Members(tmp_path, Wanted(RUN))
    members.scan()
    shutil.rmtree(tmp_path / "100")
    FakeProcess(101, parent=1, start=11).write(tmp_path)
    assert services(members) == {101: "db"}


def test_a_process_that_is_tagged_at_exec(tmp_path: Path) -> None:
    """Between fork and exec it shows its parent's environment: young processes are looked at again."""
    FakeProcess(100, start=10, environment={}).write(tmp_path)
    members = Members(tmp_path, Wanted(RUN))
    assert services(members) == {}
    FakeProcess(100, start=10, environment=tagged("load")).write(tmp_path)
    assert services(members) == {100: "load"}


def test_environments_of_old_processes_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known stays known: neither members nor strangers are looked into at each scrape."""
    FakeProcess(100, start=10, environment=tagged("db")).write(tmp_path)
    FakeProcess(200, start=10, environment={}).write(tmp_path)
    now = 1000.0
    monkeypatch.setattr("exporters.members.time.monotonic", lambda: now)
    members = Members(tmp_path, Wanted(RUN))
    members.scan()
    now += 6.0
    members.scan()
    (tmp_path / "100" / "environ").unlink()
    (tmp_path / "200" / "environ").write_bytes(b"DASHCAM_RUN_ID=" + RUN.encode() + b"\0DASHCAM_PROCESS=late\0")
    assert services(members) == {100: "db"}
    now += 31.0
    assert services(members) == {100: "db", 200: "late"}, "strangers are looked at again now and then"


def test_a_pid_given_again_is_another_process(tmp_path: Path) -> None:
    """Pid and start time make a process; the pid alone does not."""
    FakeProcess(100, start=10, environment=tagged("db")).write(tmp_path)
    members = Members(tmp_path, Wanted(RUN))
    assert services(members) == {100: "db"}
    FakeProcess(100, start=99, environment={"PATH": "/bin"}).write(tmp_path)
    assert services(members) == {}


def test_named_pids(tmp_path: Path) -> None:
    """A pid that is named is watched with its children, without any tag."""
    FakeProcess(100, start=10).write(tmp_path)
    FakeProcess(101, parent=100, start=11).write(tmp_path)
    members = Members(tmp_path, Wanted(variable=None, pids={100: "mine"}))
    assert services(members) == {100: "mine", 101: "mine"}
    FakeProcess(100, start=50).write(tmp_path)
    assert services(members) == {101: "mine"}, "the pid has been given to another process"


def test_a_pid_that_is_not_there(tmp_path: Path) -> None:
    """It is said at once, not shown as nothing."""
    with pytest.raises(ProcessLookupError):
        Members(tmp_path, Wanted(pids={100: "mine"}))


def test_another_variable_may_name_the_service(tmp_path: Path) -> None:
    """--service-env without a run id: whoever has the variable is watched."""
    FakeProcess(100, start=10, environment={"COMPONENT": "web"}).write(tmp_path)
    FakeProcess(200, start=10, environment={"OTHER": "x"}).write(tmp_path)
    assert services(Members(tmp_path, Wanted(None, "COMPONENT"))) == {100: "web"}


def test_processes_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    """Gone between listing and reading, damaged, or somebody else's."""
    FakeProcess(100, start=10, environment=tagged("db")).write(tmp_path)
    (tmp_path / "101").mkdir()
    FakeProcess(102, start=10, environment=tagged("db")).write(tmp_path)
    (tmp_path / "102" / "stat").write_text("damaged")
    (tmp_path / "meminfo").write_text("")
    assert services(Members(tmp_path, Wanted(RUN))) == {100: "db"}
