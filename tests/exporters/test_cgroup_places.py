"""Where control groups are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.cgroup_places import Mount, find_group, mounts_below, parse_membership, parse_mountinfo


@given(st.text())
def test_the_parsers_are_total(text: str) -> None:
    """No text crashes them."""
    parse_mountinfo(text)
    parse_membership(text)


def test_mountinfo() -> None:
    """v2, v1 with several controllers, named hierarchies, escaped blanks; the rest is passed over or counted."""
    parsed = parse_mountinfo(
        "24 1 0:22 / /proc rw,nosuid shared:5 - proc proc rw\n"
        "33 32 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
        "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
        "41 31 0:38 /docker/ab\\040c /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
        "damaged\n"
    )
    assert parsed.value == [
        Mount(Path("/sys/fs/cgroup/cpu,cpuacct"), "/", 1, frozenset({"cpu", "cpuacct"})),
        Mount(Path("/sys/fs/cgroup/systemd"), "/", 1),
        Mount(Path("/sys/fs/cgroup/unified"), "/docker/ab c", 2),
    ]
    assert parsed.malformed == 1


def test_membership() -> None:
    """By v1 controller, v2 under the empty name; a named hierarchy is not v2's."""
    parsed = parse_membership("9:name=systemd:/init\n3::/odd\n2:cpu,cpuacct:/a:b\n4:memory:/m\n0::/user.slice\nx\n")
    assert parsed.value == {
        "name=systemd": "/init",
        "cpu": "/a:b",
        "cpuacct": "/a:b",
        "memory": "/m",
        "": "/user.slice",
    }
    assert parsed.malformed == 1


@pytest.mark.parametrize(
    ("version", "own", "job"),
    [
        (1, "/slurm/uid_5/job_42/step_0/task_1", "/slurm/uid_5/job_42"),
        (2, "/system.slice/slurmstepd.scope/job_42/step_0/user/task_0", "/system.slice/slurmstepd.scope/job_42"),
        (2, "/system.slice/n1_slurmstepd.scope/job_42/step_batch/user", "/system.slice/n1_slurmstepd.scope/job_42"),
    ],
)
def test_the_job_that_a_process_is_in(tmp_path: Path, version: int, own: str, job: str) -> None:
    """The job's group, not the step's, whatever SLURM_JOB_ID says."""
    (tmp_path / own[1:]).mkdir(parents=True)
    group = find_group(Mount(tmp_path, "/", version), own, "7")
    assert group is not None
    assert (group.inside, group.scope, group.job) == (job, "job", "42")


@pytest.mark.parametrize(
    ("version", "place"),
    [
        (1, "slurm/uid_5/job_42"),
        (1, "slurm_n1/uid_5/job_42"),
        (2, "system.slice/slurmstepd.scope/job_42"),
        (2, "system.slice/n1_slurmstepd.scope/job_42"),
    ],
)
def test_a_job_that_the_process_is_not_in(tmp_path: Path, version: int, place: str) -> None:
    """With SLURM_JOB_ID it is found where Slurm keeps jobs; without, the own group is read."""
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / "user.slice").mkdir()
    mount = Mount(tmp_path, "/", version)
    group = find_group(mount, "/user.slice", "42")
    assert group is not None
    assert (group.inside, group.scope, group.job) == (f"/{place}", "job", "42")
    for job in (None, "43", "*", "../42", ""):
        own = find_group(mount, "/user.slice", job)
        assert own is not None
        assert (own.inside, own.scope) == ("/user.slice", "self"), job


def test_a_containers_part_of_the_hierarchy(tmp_path: Path) -> None:
    """Paths are as seen from outside; the mount shows what is below its root."""
    (tmp_path / "app").mkdir()
    mount = Mount(tmp_path, "/docker/ab", 2)
    for own, inside in (("/docker/ab/app", "/app"), ("/docker/ab", "/"), ("/docker/abc", "/"), ("/../x", "/")):
        group = find_group(mount, own, None)
        assert group is not None
        assert (group.inside, group.scope) == (inside, "self")


def test_the_whole_machine_is_called_that(tmp_path: Path) -> None:
    """Its figures must not pass for the job's. A v2 group that has a parent is not the machine."""
    for version in (1, 2):
        group = find_group(Mount(tmp_path, "/", version), "/", None)
        assert group is not None
        assert group.scope == "root"
    (tmp_path / "cgroup.events").touch()
    inside = find_group(Mount(tmp_path, "/", 2), "/", None)
    assert inside is not None
    assert inside.scope == "self"


def test_a_mount_that_is_not_there(tmp_path: Path) -> None:
    """There is no group in it."""
    assert find_group(Mount(tmp_path / "none", "/", 2), "/", None) is None


def test_usual_mounts(tmp_path: Path) -> None:
    """v2 alone; v1 with links to co-mounted controllers; hybrid."""
    v2 = tmp_path / "v2" / "fs" / "cgroup"
    v2.mkdir(parents=True)
    (v2 / "cgroup.controllers").touch()
    assert mounts_below(tmp_path / "v2") == [Mount(v2, "/", 2)]
    v1 = tmp_path / "v1" / "fs" / "cgroup"
    for name in ("cpu,cpuacct", "memory", "unified", "systemd"):
        (v1 / name).mkdir(parents=True)
    (v1 / "cpu").symlink_to("cpu,cpuacct")
    (v1 / "unified" / "cgroup.controllers").touch()
    assert mounts_below(tmp_path / "v1") == [
        Mount(v1 / "cpu,cpuacct", "/", 1, frozenset({"cpu", "cpuacct"})),
        Mount(v1 / "memory", "/", 1, frozenset({"memory"})),
        Mount(v1 / "unified", "/", 2),
    ]
    assert mounts_below(tmp_path / "none") == []


def test_a_copy_of_a_part_of_v2(tmp_path: Path) -> None:
    """Slices are below a mount only where it is v2's, though cgroup.controllers was not copied."""
    base = tmp_path / "fs" / "cgroup"
    (base / "system.slice").mkdir(parents=True)
    assert mounts_below(tmp_path) == [Mount(base, "/", 2)]
