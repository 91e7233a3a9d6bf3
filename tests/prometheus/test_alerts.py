"""Alerts: each fires for what it is about, after its hold, and not for what looks alike."""

from pathlib import Path

from tests.prometheus.rulebook import check, fires, series

RUNNING = [
    series("run_phase", "0x120", job="load", phase="setup"),
    series("run_phase", "1x120", job="load", phase="steady"),
]
SETTING_UP = [
    series("run_phase", "1x120", job="load", phase="setup"),
    series("run_phase", "0x120", job="load", phase="steady"),
]


def test_target_down(tmp_path: Path) -> None:
    """A target that does not answer for 5 s is down; one that does not answer yet in the set-up is not."""
    down = series("up", "1x30 0x90", job="svc")
    alert = fires("TargetDown", {"job": "svc", "summary": "svc on n does not answer Prometheus"})
    check(
        tmp_path,
        ([*RUNNING, down], [], [fires("TargetDown", None, "33s"), alert]),
        ([*SETTING_UP, series("up", "0x120")], [], [fires("TargetDown", None)]),
        ([series("up", "0x120")], [], [fires("TargetDown", None)]),  # a model loads: there is no load yet
        ([*RUNNING, series("up", "1x30 0x2 1x80")], [], [fires("TargetDown", None, "34s"), fires("TargetDown", None)]),
        # The load is stopped first at the end of a run.
        ([{"series": 'up{job="load",run_id="r",node="n",role="load"}', "values": "0x120"}, *RUNNING], [],
         [fires("TargetDown", None)]),
    )  # fmt: skip


def test_queue(tmp_path: Path) -> None:
    """A queue that grows fires; one that is long and steady, as of a closed loop, does not."""
    text = "the queue of svc on n grows, 60 requests wait"
    alert = fires("QueueGrowing", {"job": "svc", "summary": text})
    check(
        tmp_path,
        ([series("vllm:num_requests_waiting", "0+1x100")], [], [alert]),
        ([series("vllm:num_requests_waiting", "60x100")], [], [fires("QueueGrowing", None)]),
        ([series("vllm:num_requests_waiting", "1 2 3 " * 40)], [], [fires("QueueGrowing", None)]),
    )


def test_vllm(tmp_path: Path) -> None:
    """A full cache after a while, preemptions at once."""
    full = {"job": "svc", "summary": "KV cache of svc on n is 99% full"}
    evicts = {"job": "svc", "summary": "svc on n preempts requests, 500m a second"}
    given = [
        series("vllm:kv_cache_usage_perc", "0.2x50 0.99x50", engine="0"),
        series("vllm:num_preemptions_total", "0x55 0+0.5x40", engine="0"),
    ]
    wanted = [fires("KvCacheFull", None, "53s"), fires("KvCacheFull", full, "70s"), fires("Preemptions", evicts, "70s")]
    calm = [series("vllm:kv_cache_usage_perc", "0.9x100"), series("vllm:num_preemptions_total", "7x100")]
    check(tmp_path, (given, [], wanted), (calm, [], [fires("KvCacheFull", None), fires("Preemptions", None)]))


def test_errors_and_client(tmp_path: Path) -> None:
    """Errors of the service and of the load, a client whose one core is full, one that is late."""
    late = [series("load_client_lag_seconds_bucket", f"0+{n}x100", job="load", le=le) for le, n in
            (("0.1", 50), ("0.5", 100), ("+Inf", 100))]  # fmt: skip
    given = [
        series("nv_inference_request_success", "0+8x100"), series("nv_inference_request_failure", "0+2x100"),
        series("load_requests_total", "0+8x100", job="load", outcome="ok"),
        series("load_requests_total", "0+2x100", job="load", outcome="error"),
        series("load_client_cpu_seconds_total", "0+0.25x100", job="load", shard="0"),
        series("load_client_cpu_seconds_total", "0+1x100", job="load", shard="1"), *late,
    ]  # fmt: skip
    wanted = [
        fires("ServiceErrorsHigh", {"job": "svc", "summary": "svc on n fails 20% of its requests"}),
        fires("LoadErrorsHigh", {"job": "load", "summary": "20% of the load's requests fail"}),
        fires(
            "ClientSaturated",
            {"job": "load", "summary": "a load process on n uses 1 of its one core: it measures itself"},
        ),
        fires("ClientLate", {"job": "load", "summary": "requests leave late: p99 of the client's lag on n is 492ms"}),
    ]
    well = [
        series("nv_inference_request_success", "0+99x100"), series("nv_inference_request_failure", "0+1x100"),
        series("load_client_cpu_seconds_total", "0+0.5x100", job="load", shard="0"),
        series("load_client_cpu_seconds_total", "0+0.5x100", job="load", shard="1"),
    ]  # fmt: skip
    none = [fires(one["alertname"], None) for one in wanted]
    check(tmp_path, (given, [], wanted), (well, [], none))


def test_memory(tmp_path: Path) -> None:
    """Near the end of the node's or of the job's memory, and when the kernel has acted."""
    given = [
        series("node_memory_MemTotal_bytes", "1000x100", job="node"),
        series("node_memory_MemAvailable_bytes", "10x100", job="node"),
        series("node_vmstat_oom_kill", "3x55 4x45", job="node"),
        series("cgroup_memory_working_set_bytes", "98x100", job="exporter", cgroup="job"),
        series("cgroup_memory_limit_bytes", "100x100", job="exporter", cgroup="job"),
        series("cgroup_memory_oom_kills_total", "0x55 1x45", job="exporter", cgroup="job"),
    ]
    wanted = [
        fires("NodeOomNear", {"job": "node", "summary": "n has 99% of its memory in use"}),
        fires("NodeOomKill", {"job": "node", "summary": "the kernel ended a process of n for want of memory"}),
        fires("JobOomNear", {"job": "exporter", "summary": "the job uses 98% of its memory on n"}),
        fires("JobOomKill", {"job": "exporter", "summary": "a process of the job was ended on n for want of memory"}),
        fires("JobOomKill", None, "50s"),
    ]
    check(tmp_path, (given, [], wanted))


def test_disk(tmp_path: Path) -> None:
    """A disk that fills soon, or is nearly full and shrinks; one that is small and stands still is nobody's fault."""
    place = {"job": "node", "device": "/dev/sda1", "fstype": "ext4", "mountpoint": "/data"}
    size = series("node_filesystem_size_bytes", "1000000x100", **place)
    fast = series("node_filesystem_avail_bytes", "500000-4000x100", **place)
    slow = series("node_filesystem_avail_bytes", "40100-10x100", **place)
    still = series("node_filesystem_avail_bytes", "100x100", **place)
    where = {"job": "node", "mountpoint": "/data"}
    filling = "/data of n will be full within 5 minutes; 26% is free"
    almost = "/data of n has 3.95% left, and it shrinks"
    check(
        tmp_path,
        ([size, fast], [], [fires("DiskFilling", where | {"summary": filling}), fires("DiskAlmostFull", None)]),
        ([size, slow], [], [fires("DiskFilling", None), fires("DiskAlmostFull", where | {"summary": almost})]),
        ([size, still], [], [fires("DiskFilling", None), fires("DiskAlmostFull", None)]),
    )


def test_gpu(tmp_path: Path) -> None:
    """Held and idle under load, an Xid that comes within the run (not one from before), lost, hot."""
    gpu = {"job": "exporter", "gpu": "1", "uuid": "G1"}
    given = [
        series("gpu_utilization_ratio", "0.01x100", **gpu), series("gpu_last_xid_code", "0x55 79x45", **gpu),
        series("gpu_unreachable", "1x100", job="exporter"),
        series("gpu_throttled", "1x100", reason="hardware_thermal", **gpu),
        series("gpu_uncorrectable_ecc_errors_total", "0x55 2x45", **gpu),
    ]  # fmt: skip
    named = {"job": "exporter", "gpu": "1"}
    idle = "GPU 1 of n is held and does nothing (1% busy) while the load runs"
    wanted = [
        fires("GpuIdle", named | {"summary": idle}),
        fires("GpuXidError", named | {"summary": "GPU 1 of n reported Xid 79"}),
        fires("GpuUnreachable", {"job": "exporter", "summary": "1 GPUs of n do not answer the driver"}),
        fires("GpuThermalThrottle", named | {"summary": "GPU 1 of n lowers its clocks for heat"}),
        fires("GpuEccErrors", named | {"summary": "GPU 1 of n had memory errors that could not be corrected"}),
    ]
    before = [
        series("gpu_last_xid_code", "79x100", **gpu), series("gpu_utilization_ratio", "0x100", **gpu),
        series("gpu_throttled", "1x100", reason="software_power_cap", **gpu),
        series("gpu_uncorrectable_ecc_errors_total", "2x100", **gpu),
    ]  # fmt: skip
    quiet = [fires(name, None) for name in ("GpuXidError", "GpuIdle", "GpuThermalThrottle", "GpuEccErrors")]
    check(tmp_path, ([*RUNNING, *given], [], wanted), ([*SETTING_UP, *before], [], quiet))


def test_watching(tmp_path: Path) -> None:
    """A collector that fails, values that are old, a Lustre client that is not well, a database out of reach."""
    side = {"job": "exporter"}
    given = [
        *RUNNING, series("exporter_collector_success", "0x100", collector="lustre", **side),
        series("exporter_collector_success", "1x100", collector="gpu", **side),
        series("gpu_sample_age_seconds", "0+1x29 " * 4, **side),
        series("lustre_client_sample_age_seconds", "1x100", **side), series("lustre_client_healthy", "0x100", **side),
        series("lustre_client_hanging_files", "2x100", **side), series("pg_up", "0x100", job="vectors-exporter"),
    ]  # fmt: skip
    hangs = "2 of Lustre's files on n do not come back when they are read"
    wanted = [
        fires("CollectorFails", side | {"collector": "lustre", "summary": "collector lustre on n gives nothing"}),
        fires("GpuValuesOld", side | {"summary": "figures of the GPUs of n are 28s old"}, "58s"),
        fires("LustreValuesOld", None),
        fires("LustreUnhealthy", side | {"summary": "the Lustre client of n says that it is not healthy"}),
        fires("LustreHangs", side | {"summary": hangs}),
        fires(
            "PostgresUnreachable", {"job": "vectors", "summary": "the exporter cannot reach PostgreSQL of vectors on n"}
        ),
    ]
    check(tmp_path, (given, [], wanted))


def test_cpu_held_back(tmp_path: Path) -> None:
    """A quota that holds the job back, a node that swaps, cores that are too hot, connections that run out."""
    given = [
        series("cgroup_cpu_throttled_seconds_total", "0+0.5x100", job="exporter", cgroup="job"),
        series("node_cpu_core_throttles_total", "0+2x100", job="node", core="0"),
        series("node_vmstat_pswpin", "0+100x100", job="node"),
        series("node_vmstat_pswpout", "0+60x100", job="node"),
        series("pg_stat_database_numbackends", "95x100", job="db-exporter", datname="a"),
        series("pg_settings_max_connections", "100x100", job="db-exporter"),
    ]
    held = "the CPU quota holds the job back on n, 50% of the time"
    wanted = [
        fires("JobCpuThrottled", {"job": "exporter", "summary": held}),
        fires("NodeSwaps", {"job": "node", "summary": "n swaps 160 pages a second"}),
        fires("CpuThermalThrottle", {"job": "node", "summary": "cores of n are throttled for heat, 2 times a second"}),
        fires("ConnectionsRunOut", {"job": "db", "summary": "db on n has 95% of its connections in use"}),
    ]
    check(tmp_path, (given, [], wanted))
