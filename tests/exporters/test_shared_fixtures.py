"""Files of real machines, where they are at hand: they are not part of this project."""

from pathlib import Path

import pytest

from exporters.cgroup import COLLECTOR
from exporters.collector import Context
from exporters.gpu import COLLECTOR as GPU
from exporters.gpu import Gpu
from exporters.gpu_smi_xml import read_list
from exporters.lustre import COLLECTOR as LUSTRE
from exporters.lustre_stats import parse_lnet
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


def test_a_page_with_jobs() -> None:
    """dcgm-exporter 4.x: a GPU that two jobs share has each figure once."""
    context = Context()
    page = (FIXTURES / "dcgm-exporter" / "synthetic-h100x4-hpc_job.prom").read_bytes()
    samples = Samples(Gpu(context, lambda: page).collect())
    shared = [labels for labels in samples.labels("gpu_utilization_ratio") if labels["gpu"] == "2"]
    assert [samples("gpu_utilization_ratio", **labels) for labels in shared] == [0.94]
    jobs = [labels["hpc_job"] for labels in samples.labels("gpu_job_info") if labels["gpu"] == "2"]
    assert (jobs, context.malformed.count) == (["4712", "4713"], 0)


def test_a_page_with_few_labels() -> None:
    """No model, a MIG device, a sentinel: two devices, and nothing malformed."""
    context = Context()
    page = (FIXTURES / "dcgm-exporter" / "netdata_metrics_valid.prom").read_bytes()
    samples = Samples(Gpu(context, lambda: page).collect())
    assert [labels["mig_id"] for labels in samples.labels("gpu_utilization_ratio")] == ["", "2"]
    assert (samples.labels("gpu_memory_temperature_celsius"), context.malformed.count) == ([], 0)


def lustre(root: Path, text: Path | None = None) -> Samples:
    """Collect below `root`, with an lctl that prints `text`."""
    (root / "bin").mkdir(parents=True)
    if text is not None:
        (root / "bin" / "lctl").write_text(f"#!/bin/sh\nexec cat {text}\n")
        (root / "bin" / "lctl").chmod(0o755)
    tree = FIXTURES / "lustre" / "hpe-client-proc-2.9-2.10" if text is None else root
    environment = {"PATH": f"{root / 'bin'}:/usr/bin:/bin"}
    context = Context(proc_root=tree / "proc", sys_root=tree / "sys", environment=environment)
    samples = Samples(LUSTRE.create(context).collect())
    assert samples("lustre_client_up", reason="") == 1
    assert context.malformed.count == 0
    return samples


def test_a_lustre_2_10_tree(tmp_path: Path) -> None:
    """Everything in /proc; the sum of squares ran over and is not read."""
    samples = lustre(tmp_path)
    assert samples("lustre_client_write_bytes_total", fs="lustrefs") == 93813797294080
    assert samples("lustre_client_write_calls_total", fs="lustrefs") == 89467810
    assert samples("lustre_client_operations_total", fs="lustrefs", operation="inode_permission") == 398
    assert samples("lustre_client_capacity_bytes", fs="lustrefs") == 283010362368 * 1024
    ost = {"fs": "lustrefs", "target": "OST0000"}
    assert samples("lustre_osc_request_wait_seconds_total", **ost) == 110282.569237
    assert samples("lustre_osc_rpcs_total", **ost, direction="write", pages="1024") == 16389010
    assert samples("lustre_osc_rpcs_in_flight", **ost, direction="write") == 6
    assert samples("lustre_osc_dirty_bytes", **ost) == 27815936
    assert samples("lustre_client_info", version="2.10.1", jobid_var="SLURM_JOB_ID") == 1


def test_lctl_of_lustre_2_14(tmp_path: Path) -> None:
    """EXAScaler's 2.14.0: latencies, and much that is not the client's."""
    samples = lustre(tmp_path, FIXTURES / "lustre" / "ddn-2.14.0-client" / "llite_client.txt")
    mkdir = {"fs": "ai400x2", "operation": "mkdir"}
    assert samples("lustre_client_operations_total", **mkdir) == 17987059
    assert samples("lustre_client_operation_seconds_total", **mkdir) == 23731.812831
    assert samples("lustre_client_healthy") == 1


def test_lctl_of_lustre_2_14_ddn259(tmp_path: Path) -> None:
    """With extents_stats, latencies by size and other tables between what is read."""
    samples = lustre(tmp_path, FIXTURES / "lustre" / "ddn-2.14.0_ddn259-client" / "client_excerpt.txt")
    assert samples("lustre_client_read_bytes_total", fs="a361000") == 44179456
    assert samples("lustre_client_read_ahead_total", fs="a361000", event="misses") == 14
    assert samples("lustre_mdc_requests_total", fs="a361000", target="MDT0000") == 1714
    assert samples("lustre_client_info", version="2.14.0_ddn259", jobid_var="") == 1


def test_lctl_of_lustre_2_16(tmp_path: Path) -> None:
    """`read` and `read_bytes` side by side; since when it counts."""
    samples = lustre(tmp_path, FIXTURES / "lustre" / "dd-2.16-client" / "llite_stats.txt")
    assert samples("lustre_client_write_bytes_total", fs="lustre") == 176653
    assert samples("lustre_client_operation_seconds_total", fs="lustre", operation="write") == 0.010405
    assert samples("lustre_client_stats_start_time_seconds", fs="lustre") == 1748858812.971617845


def test_lnetctl() -> None:
    """LNet's counters by lnetctl."""
    result = parse_lnet((FIXTURES / "lustre" / "lnet" / "lnetctl_stats.txt").read_text())
    assert (result.malformed, result.value["send_length"], result.value["drop_count"]) == (0, 261865376, 11)


def smi(folder: Path, answers: str) -> Samples:
    """Collect with an nvidia-smi of this shell text."""
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{answers}\n")
    (folder / "nvidia-smi").chmod(0o755)
    context = Context(environment={"PATH": f"{folder}:/usr/bin:/bin"})
    samples = Samples(GPU.create(context).collect())
    assert samples("gpu_up", reason="") == 1
    assert context.malformed.count == 0
    return samples


def section(name: str, title: str) -> str:
    """Return the output in the first section of a capture whose title begins so."""
    text = (FIXTURES / "nvidia-smi" / "captures" / name).read_text()
    _, _, rest = text.partition(f"# {title}")
    body = rest.split("\n####", 1)[1].split("\n", 1)[1]
    return body.split("\n####", 1)[0] + "\n"


def test_nvidia_smi_of_an_h100(tmp_path: Path) -> None:
    """Driver 590 under load, every field that it offers in the table."""
    (tmp_path / "table").write_text(section("linux-x86_64__nvidia-h100-80gb-hbm3__590.48.01.txt", "idle :: query-gpu"))
    samples = smi(tmp_path, f"exec cat {tmp_path}/table")
    (labels,) = samples.labels("gpu_power_watts")
    assert labels["model"] == "NVIDIA H100 80GB HBM3"
    expected = {
        "gpu_power_watts": 69.85,
        "gpu_power_limit_watts": 700,
        "gpu_memory_total_bytes": 81559 * 2**20,
        "gpu_memory_reserved_bytes": 479 * 2**20,
        "gpu_sm_clock_hertz": 345e6,
        "gpu_memory_clock_hertz": 2619e6,
        "gpu_temperature_celsius": 41,
        "gpu_memory_temperature_celsius": 48,
        "gpu_row_remap_failure": 0,
    }
    assert {name: samples(name, **labels) for name in expected} == expected
    assert samples("gpu_throttled", **labels, reason="idle") == 1


@pytest.mark.parametrize(
    ("name", "state", "watts"),
    [
        ("linux-x86_64__nvidia-h100-80gb-hbm3__590.48.01.txt", "load", 631.95),
        ("linux-x86_64__nvidia-h100-mig__590.48.01.txt", "load", 433.78),
        ("linux-x86_64__nvidia-l40s__595.80.txt", "idle", None),
        ("linux-x86_64__nvidia-l40s__595.80.txt", "load", None),
    ],
)
def test_tables_of_other_machines(tmp_path: Path, name: str, state: str, watts: float | None) -> None:
    """One GPU each, nothing malformed, no figure twice."""
    (tmp_path / "table").write_text(section(name, f"{state} :: query-gpu"))
    samples = smi(tmp_path, f"exec cat {tmp_path}/table")
    (labels,) = samples.labels("gpu_power_watts")
    assert watts is None or samples("gpu_power_watts", **labels) == watts


def test_nvidia_smi_of_divided_a100s(tmp_path: Path) -> None:
    """DTD v12: the table says that MIG is on, the XML has the four parts."""
    table = "index, uuid, mig.mode.current\\n0, GPU-513536b6-7d19-9063-b049-1e69664bb298, Enabled\\n"
    xml = FIXTURES / "nvidia-smi" / "a100-sxm4-v12.xml"
    samples = smi(tmp_path, f"case $1 in --query*) printf '{table}';; -q) exec cat {xml};; esac")
    parts = [labels for labels in samples.labels("gpu_memory_used_bytes") if labels["mig_id"]]
    assert [labels["mig_id"] for labels in parts] == ["3", "4", "5", "6"]
    assert {samples("gpu_memory_total_bytes", **labels) for labels in parts} == {19968 * 2**20}
    (whole,) = samples.labels("gpu_power_watts")
    assert samples("gpu_power_watts", **whole) == 67.03
    assert samples("gpu_power_limit_watts", **whole) == 500


@pytest.mark.parametrize(
    ("name", "watts", "used"), [("a10g", 25.58, 22), ("tesla-t4", 26.78, 1032), ("rtx-3080-v13", 139.62, 9184)]
)
def test_nvidia_smi_in_xml_only(tmp_path: Path, name: str, watts: float, used: int) -> None:
    """Whatever it was asked: a document is read as one."""
    samples = smi(tmp_path, f"exec cat {FIXTURES / 'nvidia-smi' / name}.xml")
    (labels,) = samples.labels("gpu_power_watts")
    assert samples("gpu_power_watts", **labels) == watts
    assert samples("gpu_memory_used_bytes", **labels) == used * 2**20


def test_profiles_of_a_divided_h100() -> None:
    """Driver 590's list of devices."""
    text = section("linux-x86_64__nvidia-h100-mig__590.48.01.txt", "capabilities :: list")
    assert list(read_list(text).values()) == ["3g.40gb", "2g.20gb", "1g.10gb", "1g.10gb"]
