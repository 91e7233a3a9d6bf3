"""Files of real machines, where they are at hand: they are not part of this project."""

from pathlib import Path

import pytest

from exporters.cgroup import COLLECTOR
from exporters.collector import Context
from exporters.gpu import Gpu
from tests.exporters.exposition import Samples
from tests.exporters.trees import write_files

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the captured files are not here")


def collect(root: Path, own: str) -> tuple[Samples, int]:
    """Collect below `root` as a process in group `own` of every hierarchy; returns the samples and parse errors."""
    write_files(root / "proc" / "self", {"cgroup": own})
    context = Context(proc_root=root / "proc", sys_root=root / "sys", environment={"SLURM_JOB_ID": "11"})
    return Samples(COLLECTOR.create(context).collect()), context.malformed.count


def test_v2(tmp_path: Path) -> None:
    """Slurm 22.05 or newer, job 4, read from inside of a step."""
    base = tmp_path / "sys" / "fs" / "cgroup"
    base.mkdir(parents=True)
    (base / "cgroup.controllers").touch()
    (base / "system.slice").symlink_to(FIXTURES / "cgroup" / "v2-slurmstepd-scope" / "system.slice")
    samples, malformed = collect(tmp_path, "0::/system.slice/slurmstepd.scope/job_4/step_0/user/task_0\n")
    expected = {
        "cgroup_cpu_usage_seconds_total": 0.126686,
        "cgroup_cpus": 1,
        "cgroup_memory_usage_bytes": 5660672,
        "cgroup_memory_working_set_bytes": 5660672 - 499712,
        "cgroup_memory_anon_bytes": 2260992,
        "cgroup_memory_file_bytes": 516096,
        "cgroup_memory_limit_bytes": 1835008000,
        "cgroup_memory_peak_bytes": 7229440,
        "cgroup_memory_oom_kills_total": 0,
        "cgroup_memory_failures_total": 0,
        "cgroup_cpu_throttled_seconds_total": 0,
        "cgroup_cpu_quota_cores": None,
    }
    assert {name: samples(name, cgroup="job") for name in expected} == expected
    assert samples("cgroup_cpu_seconds_total", cgroup="job", mode="user") == 0.049043
    assert samples("cgroup_cpu_seconds_total", cgroup="job", mode="system") == 0.077642
    assert malformed == 0


def test_v1(tmp_path: Path) -> None:
    """Job 11, found by its id: this process is elsewhere."""
    base = tmp_path / "sys" / "fs" / "cgroup"
    base.mkdir(parents=True)
    for name in ("cpuacct", "cpuset", "memory"):
        (base / name).symlink_to(FIXTURES / "cgroup" / "v1-slurm" / name)
    samples, malformed = collect(tmp_path, "4:memory:/\n3:cpuset:/\n2:cpuacct:/\n")
    expected = {
        "cgroup_cpu_usage_seconds_total": 33146.523011972,
        "cgroup_cpus": 40,
        "cgroup_memory_usage_bytes": 6126714880,
        "cgroup_memory_working_set_bytes": 6126714880 - 69820416,
        "cgroup_memory_anon_bytes": 6051483648,
        "cgroup_memory_file_bytes": 74915840,
        "cgroup_memory_limit_bytes": 191092490240,
        "cgroup_memory_peak_bytes": 8346267648,
        "cgroup_memory_oom_kills_total": None,
        "cgroup_cpu_throttled_periods_total": 0,
        "cgroup_cpu_quota_cores": None,
    }
    assert {name: samples(name, cgroup="job") for name in expected} == expected
    assert samples("cgroup_cpu_seconds_total", cgroup="job", mode="user") == 33135.61
    assert samples("cgroup_cpu_seconds_total", cgroup="job", mode="system") == 95.71
    assert malformed == 0


def test_a_captured_t4() -> None:
    """Driver 460, read by hand: utilisation, clocks, memory, energy of the capture."""
    context = Context()
    samples = Samples(Gpu(context, (FIXTURES / "dcgm-exporter" / "t4-driver460.prom").read_bytes).collect())
    (labels,) = samples.labels("gpu_sm_clock_hertz")
    assert labels["model"] == "Tesla T4"
    expected = {
        "gpu_sm_clock_hertz": 300e6,
        "gpu_memory_clock_hertz": 405e6,
        "gpu_temperature_celsius": 25,
        "gpu_power_watts": 8.969,
        "gpu_energy_joules_total": 128996.013,
        "gpu_memory_free_bytes": 15109 * 2**20,
        "gpu_memory_total_bytes": 15109 * 2**20,
    }
    assert {name: samples(name, **labels) for name in expected} == expected
    assert samples("gpu_info", **labels, driver="460.106.00") == 1
    assert samples.labels("gpu_up") == [{"reason": ""}]
    assert context.malformed.count == 0
