"""Control groups: v1, v2, hybrid, Slurm's places, and nothing at all."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.cgroup import CgroupCollector, Mount, count_cpus, parse_membership, parse_mountinfo
from exporters.collector import Context

SHARED = Path(__file__).parents[3] / "shared" / "fixtures" / "cgroup"
GIB = 2**30


def tree(root, files):
    """Write files below a root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def values(root, **environment):
    """Return the samples of one collection by name and distinguishing labels, and the context."""
    context = Context(proc=root / "proc", sys=root / "sys", environment=environment)
    found = {}
    for family in CgroupCollector(context).collect():
        for sample in family.samples:
            labels = [v for k, v in sorted(sample.labels.items()) if k not in {"cgroup", "slurm_job_id", "path"}]
            found[sample.name, *labels] = sample.value
    return found, context


V2_JOB = "sys/fs/cgroup/system.slice/slurmstepd.scope/job_7"
V2 = {
    "proc/self/cgroup": "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n",
    "proc/self/mountinfo": "31 24 0:27 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    f"{V2_JOB}/step_0/user/task_0/cpu.stat": "usage_usec 1\n",
    f"{V2_JOB}/cpu.stat": "usage_usec 5000000\nuser_usec 4000000\nsystem_usec 1000000\nnr_periods 9\nnr_throttled 2\nthrottled_usec 500000\n",
    f"{V2_JOB}/cpu.max": "150000 100000\n",
    f"{V2_JOB}/cpuset.cpus.effective": "0-3,8\n",
    f"{V2_JOB}/memory.current": f"{2 * GIB}\n",
    f"{V2_JOB}/memory.max": "max\n",
    "sys/fs/cgroup/system.slice/slurmstepd.scope/memory.max": f"{8 * GIB}\n",
    f"{V2_JOB}/memory.stat": f"anon {GIB}\nfile {GIB}\ninactive_file {GIB // 2}\n",
    f"{V2_JOB}/memory.events": "low 0\nmax 3\noom 1\noom_kill 1\n",
    f"{V2_JOB}/pids.current": "12\n",
    f"{V2_JOB}/io.stat": "8:0 rbytes=100 wbytes=200 rios=1 wios=2\n253:0\n",
    f"{V2_JOB}/cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 total=0\n",
}


def test_v2_in_a_slurm_job(tmp_path):
    """In a step, the figures are those of the whole job, and the limit the smallest on the way up."""
    tree(tmp_path, V2)
    found, context = values(tmp_path, SLURM_JOB_ID="7")
    expected = {
        ("cgroup_cpu_usage_seconds_total",): 5.0,
        ("cgroup_cpu_seconds_total", "user"): 4.0,
        ("cgroup_cpu_throttled_seconds_total",): 0.5,
        ("cgroup_cpu_quota_cores",): 1.5,
        ("cgroup_cpus",): 5,
        ("cgroup_memory_usage_bytes",): 2 * GIB,
        ("cgroup_memory_working_set_bytes",): 1.5 * GIB,
        ("cgroup_memory_limit_bytes",): 8 * GIB,
        ("cgroup_memory_oom_kills_total",): 1,
        ("cgroup_memory_failures_total",): 3,
        ("cgroup_pids",): 12,
        ("cgroup_io_read_bytes_total", "8:0"): 100,
        ("cgroup_pressure_seconds_total", "some", "cpu"): 1.5,
        ("cgroup_up", ""): 1,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert ("cgroup_info", "memory", "job", "v2") in found
    assert not context.errors


def test_v1_in_a_slurm_job(tmp_path):
    """v1's own units: ns and ticks; v1's way to say `no limit` is no limit."""
    job = "slurm/uid_1000/job_11"
    tree(
        tmp_path,
        {
            "proc/self/cgroup": f"4:memory:/{job}/step_0/task_0\n3:cpuacct,cpu:/{job}/step_0\n",
            "proc/self/mountinfo": "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
            f"sys/fs/cgroup/memory/{job}/memory.usage_in_bytes": "1000\n",
            f"sys/fs/cgroup/memory/{job}/memory.limit_in_bytes": "9223372036854771712\n",
            f"sys/fs/cgroup/memory/{job}/memory.stat": "cache 1\ntotal_rss 600\ntotal_cache 400\ntotal_inactive_file 300\n",
            f"sys/fs/cgroup/memory/{job}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            f"sys/fs/cgroup/cpu,cpuacct/{job}/cpuacct.usage": "2500000000\n",
            f"sys/fs/cgroup/cpu,cpuacct/{job}/cpuacct.stat": "user 150\nsystem 50\n",
        },
    )
    found, context = values(tmp_path)
    assert found["cgroup_cpu_usage_seconds_total",] == 2.5
    assert found["cgroup_cpu_seconds_total", "user"] == 1.5
    assert found["cgroup_memory_anon_bytes",] == 600
    assert found["cgroup_memory_working_set_bytes",] == 700
    assert found["cgroup_memory_oom_kills_total",] == 2
    assert ("cgroup_memory_limit_bytes",) not in found
    assert not context.errors


def test_job_id_finds_the_group_from_outside(tmp_path):
    """A sidecar outside of the job's group (ParaStation's launcher) finds it by SLURM_JOB_ID."""
    tree(tmp_path, {**V2, "proc/self/cgroup": "0::/\n"})
    found, _ = values(tmp_path, SLURM_JOB_ID="7")
    assert ("cgroup_info", "memory", "job", "v2") in found
    assert ("cgroup_info", "memory", "root", "v2") not in found


def test_nothing_to_read(tmp_path):
    """Without any control group the answer says so, and is no failure."""
    (tmp_path / "proc").mkdir()
    found, _ = values(tmp_path)
    assert list(found.values()) == [0.0]
    assert "no cgroup controller" in next(iter(found))[1]


def test_malformed_lines_are_counted(tmp_path):
    """A broken line costs itself and is counted; the others are read."""
    tree(
        tmp_path, {**V2, f"{V2_JOB}/memory.current": "lots\n", f"{V2_JOB}/cpu.stat": "usage_usec 5000000\nuser_usec\n"}
    )
    found, context = values(tmp_path)
    assert ("cgroup_memory_usage_bytes",) not in found
    assert found["cgroup_cpu_usage_seconds_total",] == 5.0
    assert context.errors["cgroup"] == 2


@pytest.mark.parametrize(
    ("text", "count"), [("0-3,8\n", 5), ("", 0), ("7", 1), ("a-b", None), ("3-", None), ("1-1", 1)]
)
def test_lists_of_cpus(text, count):
    """A list of CPUs is counted; what is none is refused."""
    assert count_cpus(text) == count


@given(st.text(max_size=300))
def test_any_text_is_read(text):
    """No text makes the parsers fail."""
    assert all(isinstance(mount, Mount) for mount in parse_mountinfo(text))
    assert isinstance(parse_membership(text), dict)
    count_cpus(text)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared captures are not part of the project")
@pytest.mark.parametrize(
    ("name", "job", "usage", "memory"),
    [
        ("v1-slurm", "slurm/uid_*/job_*", "cpuacct/{}/cpuacct.usage", "memory/{}/memory.usage_in_bytes"),
        ("v2-slurmstepd-scope", "system.slice/slurmstepd.scope/job_*", "{}/cpu.stat", "{}/memory.current"),
    ],
)
def test_shared_captures(tmp_path, name, job, usage, memory):
    """Real captures of Slurm's groups give what their files say, without an error."""
    base = tmp_path / "sys" / "fs" / "cgroup"
    base.mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    for entry in (SHARED / name).iterdir():
        shutil.copytree(entry, base / entry.name)
    first = base if name.startswith("v2") else base / "memory"
    if name.startswith("v2"):
        (base / "cgroup.controllers").touch()
    for group in first.glob(job):
        inside = group.relative_to(first).as_posix()
        found, context = values(tmp_path, SLURM_JOB_ID=group.name.removeprefix("job_"))
        assert found["cgroup_memory_usage_bytes",] == int((base / memory.format(inside)).read_text())
        words = (base / usage.format(inside)).read_text().split()
        seconds = int(words[1]) / 1e6 if words[0] == "usage_usec" else int(words[0]) / 1e9
        assert found["cgroup_cpu_usage_seconds_total",] == pytest.approx(seconds)
        assert not context.errors
        return
    raise AssertionError("the capture holds no job")
