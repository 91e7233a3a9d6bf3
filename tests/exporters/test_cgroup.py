"""The cgroup collector on small trees of v1, v2 and both."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from exporters.cgroup import COLLECTOR
from exporters.collector import Collector, Context
from tests.exporters.exposition import Samples
from tests.exporters.trees import write_files

TICKS = os.sysconf("SC_CLK_TCK")
PSI = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"

V2_JOB = {
    "cpu.stat": "usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\nnr_periods 9\nnr_throttled 4\n"
    "throttled_usec 250000\n",
    "cpu.max": "150000 100000\n",
    "cpuset.cpus.effective": "0-3,8\n",
    "memory.current": "1000\n",
    "memory.stat": "anon 600\nfile 300\ninactive_file 200\n",
    "memory.max": "max\n",
    "memory.peak": "1500\n",
    "memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n",
    "pids.current": "12\n",
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n253:1 rbytes=1 wbytes=2\n7:0\n",
    "cpu.pressure": PSI.format(1500000, 0),
    "memory.pressure": PSI.format(2, 1),
    "io.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\n",
}

V1_JOB = {
    "cpu,cpuacct/{job}/cpuacct.stat": f"user {3 * TICKS}\nsystem {TICKS}\n",
    "cpu,cpuacct/{job}/cpuacct.usage": "4100000000\n",
    "cpu,cpuacct/{job}/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 250000000\n",
    "cpu,cpuacct/{job}/cpu.cfs_quota_us": "-1\n",
    "cpu,cpuacct/{job}/cpu.cfs_period_us": "100000\n",
    "cpu,cpuacct/slurm/cpu.cfs_quota_us": "250000\n",
    "cpu,cpuacct/slurm/cpu.cfs_period_us": "100000\n",
    "cpuset/{job}/cpuset.cpus": "0-3\n",
    "cpuset/{job}/cpuset.effective_cpus": "0-1\n",
    "memory/{job}/memory.usage_in_bytes": "1000\n",
    "memory/{job}/memory.stat": "cache 0\nrss 0\ntotal_cache 300\ntotal_rss 600\ntotal_inactive_file 200\n"
    "hierarchical_memory_limit 9223372036854771712\n",
    "memory/{job}/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/slurm/memory.limit_in_bytes": "5000\n",
    "memory/{job}/memory.max_usage_in_bytes": "1500\n",
    "memory/{job}/memory.failcnt": "2\n",
    "memory/{job}/step_0/memory.failcnt": "5\n",
    "memory/{job}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
    "memory/{job}/step_0/task_0/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "pids/{job}/pids.current": "12\n",
    "blkio/{job}/blkio.throttle.io_service_bytes_recursive": "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n",
}

COMMON = {
    "cgroup_memory_usage_bytes": 1000,
    "cgroup_memory_working_set_bytes": 800,
    "cgroup_memory_anon_bytes": 600,
    "cgroup_memory_file_bytes": 300,
    "cgroup_memory_limit_bytes": 5000,
    "cgroup_memory_peak_bytes": 1500,
    "cgroup_memory_failures_total": 7,
    "cgroup_memory_oom_kills_total": 1,
    "cgroup_cpu_throttled_seconds_total": 0.25,
    "cgroup_cpu_throttled_periods_total": 4,
    "cgroup_pids": 12,
}


def tree(root: Path, files: Mapping[str, str], membership: str, mountinfo: str = "") -> Context:
    """Write a machine below `root`: files below /sys/fs/cgroup, and what /proc/self says."""
    write_files(root / "sys" / "fs" / "cgroup", files)
    write_files(root / "proc" / "self", {"cgroup": membership, "mountinfo": mountinfo})
    return Context(proc_root=root / "proc", sys_root=root / "sys")


def v2_tree(root: Path) -> Context:
    """Return a machine with v2 where this process is in a step of job 42."""
    scope = "system.slice/slurmstepd.scope"
    files = {f"{scope}/job_42/{name}": text for name, text in V2_JOB.items()}
    files |= {"cgroup.controllers": "cpu memory\n", f"{scope}/memory.max": "5000\n", "memory.max": "90000\n"}
    files |= {f"{scope}/job_42/step_0/user/task_0/memory.current": "1\n"}
    return tree(root, files, f"0::/{scope}/job_42/step_0/user/task_0\n", "1 1 0:1 / /sys/fs/cgroup rw - cgroup2 c rw\n")


def v1_tree(root: Path) -> Context:
    """Return the same with v1, found without mountinfo."""
    job = "slurm/uid_5/job_42"
    own = f"/{job}/step_0/task_0"
    membership = "".join(
        f"{number}:{names}:{own}\n"
        for number, names in enumerate(("cpu,cpuacct", "cpuset", "memory", "pids", "blkio"), start=2)
    )
    return tree(root, {name.format(job=job): text for name, text in V1_JOB.items()}, membership)


def collect(collector: Collector) -> Samples:
    """Collect once."""
    return Samples(collector.collect())


def test_v2(tmp_path: Path) -> None:
    """The job's figures in base units; the limit is the smallest on the way up."""
    context = v2_tree(tmp_path)
    write_files(tmp_path / "sys" / "dev" / "block" / "8:0", {"uevent": "MAJOR=8\nDEVNAME=sda\n"})
    samples = collect(COLLECTOR.create(context))
    assert samples("cgroup_up", reason="") == 1
    assert {name: samples(name, cgroup="job") for name in COMMON} == COMMON
    assert samples("cgroup_cpu_seconds_total", cgroup="job", mode="user") == 2.5
    assert samples("cgroup_cpu_seconds_total", cgroup="job", mode="system") == 1.0
    assert samples("cgroup_cpu_usage_seconds_total", cgroup="job") == 3.5
    assert samples("cgroup_cpu_quota_cores", cgroup="job") == 1.5
    assert samples("cgroup_cpus", cgroup="job") == 5
    assert samples("cgroup_io_read_bytes_total", cgroup="job", device="sda") == 10
    assert samples("cgroup_io_write_bytes_total", cgroup="job", device="253:1") == 2
    assert samples("cgroup_pressure_seconds_total", cgroup="job", resource="cpu", kind="some") == 1.5
    assert samples("cgroup_pressure_seconds_total", cgroup="job", resource="io", kind="some") == 3.0
    assert samples("cgroup_pressure_seconds_total", cgroup="job", resource="io", kind="full") is None
    assert samples.labels("cgroup_info") == [
        {
            "controller": "unified",
            "path": "/system.slice/slurmstepd.scope/job_42",
            "scope": "job",
            "slurm_job_id": "42",
            "version": "v2",
        }
    ]
    assert context.malformed.count == 0


def test_v1(tmp_path: Path) -> None:
    """The same names and units; OOM kills and failures of the steps count."""
    context = v1_tree(tmp_path)
    samples = collect(COLLECTOR.create(context))
    assert {name: samples(name, cgroup="job") for name in COMMON} == COMMON
    assert samples("cgroup_cpu_seconds_total", cgroup="job", mode="user") == 3.0
    assert samples("cgroup_cpu_seconds_total", cgroup="job", mode="system") == 1.0
    assert samples("cgroup_cpu_usage_seconds_total", cgroup="job") == 4.1
    assert samples("cgroup_cpu_quota_cores", cgroup="job") == 2.5
    assert samples("cgroup_cpus", cgroup="job") == 2
    assert samples("cgroup_io_write_bytes_total", cgroup="job", device="8:0") == 20
    assert {labels["version"] for labels in samples.labels("cgroup_info")} == {"v1"}
    assert context.malformed.count == 0


def test_v1_counters_of_steps_that_have_ended(tmp_path: Path) -> None:
    """A step's group goes with its OOM kills in it; the job's counter stays."""
    collector = COLLECTOR.create(v1_tree(tmp_path))
    collect(collector)
    job = tmp_path / "sys" / "fs" / "cgroup" / "memory" / "slurm" / "uid_5" / "job_42"
    shutil.rmtree(job / "step_0")
    samples = collect(collector)
    assert samples("cgroup_memory_oom_kills_total", cgroup="job") == 1
    assert samples("cgroup_memory_failures_total", cgroup="job") == 7
    write_files(job, {"step_1/memory.failcnt": "3\n"})
    assert collect(collector)("cgroup_memory_failures_total", cgroup="job") == 10


def test_hybrid(tmp_path: Path) -> None:
    """v1's controllers are read from v1, pressure from v2."""
    context = v1_tree(tmp_path)
    base = "system.slice/slurmd.service"
    files = {f"unified/{base}/{name}": text for name, text in V2_JOB.items()} | {"unified/cgroup.controllers": "\n"}
    write_files(tmp_path / "sys" / "fs" / "cgroup", files)
    with (tmp_path / "proc" / "self" / "cgroup").open("a") as membership:
        membership.write(f"0::/{base}\n")
    samples = collect(COLLECTOR.create(context))
    assert samples("cgroup_memory_limit_bytes", cgroup="job") == 5000
    assert samples("cgroup_memory_usage_bytes", cgroup="self") is None
    assert samples("cgroup_cpu_usage_seconds_total", cgroup="self") is None
    assert samples("cgroup_pressure_seconds_total", cgroup="self", resource="memory", kind="full") == 1e-6


def test_no_limits(tmp_path: Path) -> None:
    """What does not limit is absent, not a huge number."""
    context = tree(
        tmp_path,
        {
            "cgroup.controllers": "",
            "a/memory.current": "5\n",
            "a/memory.max": "max\n",
            "a/cpu.max": "max 100000\n",
            "a/cpu.stat": "usage_usec 1\n",
        },
        "0::/a\n",
    )
    samples = collect(COLLECTOR.create(context))
    assert samples("cgroup_memory_usage_bytes", cgroup="self") == 5
    for name in ("cgroup_memory_limit_bytes", "cgroup_cpu_quota_cores", "cgroup_memory_working_set_bytes"):
        assert samples(name, cgroup="self") is None
    assert "cgroup_cpu_throttled_seconds_total" not in samples.names()


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    """With the reason, instead of an empty answer."""
    for files in ({}, {"cgroup.controllers": ""}):
        (tmp_path / "sys" / "fs" / "cgroup").mkdir(parents=True, exist_ok=True)
        samples = collect(COLLECTOR.create(tree(tmp_path, files, "")))
        labels = samples.labels("cgroup_up")
        assert len(labels) == 1
        assert labels[0]["reason"]
        assert samples("cgroup_up", reason=labels[0]["reason"]) == 0


def test_damaged_files_are_counted_and_left_out(tmp_path: Path) -> None:
    """Never a wrong number."""
    context = v2_tree(tmp_path)
    job = tmp_path / "sys" / "fs" / "cgroup" / "system.slice" / "slurmstepd.scope" / "job_42"
    write_files(job, {"memory.current": "10_00\n", "cpu.stat": "usage_usec 35x\nuser_usec 2500000\n", "cpu.max": "x"})
    samples = collect(COLLECTOR.create(context))
    assert samples("cgroup_memory_usage_bytes", cgroup="job") is None
    assert samples("cgroup_memory_working_set_bytes", cgroup="job") is None
    assert samples("cgroup_cpu_usage_seconds_total", cgroup="job") is None
    assert samples("cgroup_cpu_seconds_total", cgroup="job", mode="user") == 2.5
    assert context.malformed.count == 3


def test_a_group_that_goes(tmp_path: Path) -> None:
    """It is looked for again at once, not only when the memory of it has run out."""
    context = v2_tree(tmp_path)
    collector = COLLECTOR.create(context)
    collect(collector)
    shutil.rmtree(tmp_path / "sys" / "fs" / "cgroup" / "system.slice")
    assert collect(collector)("cgroup_memory_usage_bytes", cgroup="job") is None


def test_this_machine() -> None:
    """Whatever it is, the collector answers."""
    assert "cgroup_up" in collect(COLLECTOR.create(Context())).names()
