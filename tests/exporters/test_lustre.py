"""The lustre collector: trees of several versions, an lctl in their place, and mounts that hang."""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from exporters.collector import Context, OptionError
from exporters.lustre import COLLECTOR
from exporters.runner import _Families
from tests.exporters import lustre_texts as texts
from tests.exporters.exposition import Samples, check_metrics
from tests.exporters.sidecar import serving
from tests.exporters.trees import FakeProcess, write_files

MOUNT = "ffff8b524be17800"
OLD = {
    f"proc/fs/lustre/llite/scratch-{MOUNT}/stats": texts.OLD_STATS,
    f"proc/fs/lustre/llite/scratch-{MOUNT}/read_ahead_stats": texts.READ_AHEAD,
    f"proc/fs/lustre/llite/scratch-{MOUNT}/kbytestotal": "2048\n",
    f"proc/fs/lustre/osc/scratch-OST0003-osc-{MOUNT}/stats": texts.DEVICE_STATS,
    f"proc/fs/lustre/osc/scratch-OST0003-osc-{MOUNT}/rpc_stats": texts.RPC_STATS,
    f"proc/fs/lustre/osc/scratch-OST0003-osc-{MOUNT}/cur_dirty_bytes": "4096\n",
    "proc/fs/lustre/osc/scratch-OST0003-osc-MDT0000/stats": texts.DEVICE_STATS,
    "proc/sys/lnet/stats": texts.LNET_LINE,
    "sys/fs/lustre/version": "2.10.1\n",
    "sys/fs/lustre/health_check": "device scratch-MDT0000 reported unhealthy\nNOT HEALTHY\n",
    "sys/fs/lustre/jobid_var": "SLURM_JOB_ID\n",
}
NEW = {
    f"sys/kernel/debug/lustre/llite/scratch-{MOUNT}/stats": texts.NEW_STATS,
    f"sys/fs/lustre/llite/scratch-{MOUNT}/kbytestotal": "2048\n",
    "sys/fs/lustre/health_check": "healthy\n",
    "sys/kernel/debug/lnet/stats": texts.LNET_LINE,
}
WITHOUT_STATS = {name: text for name, text in NEW.items() if "debug" not in name}


def context(root: Path, program: str | None = None, **options: str) -> Context:
    """Return a context below `root`, whose PATH has only `program`, an lctl of that shell text."""
    folder = root / "bin"
    folder.mkdir(exist_ok=True)
    if program is not None:
        (folder / "lctl").write_text(f"#!/bin/sh\n{program}\n")
        (folder / "lctl").chmod(0o755)
    chosen = {name.replace("_", "-"): [value] for name, value in options.items()}
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    return Context(proc_root=root / "proc", sys_root=root / "sys", environment=environment, options=chosen)


def collect(root: Path, files: Mapping[str, str], program: str | None = None) -> tuple[Samples, int]:
    """Collect once; returns the samples and the count of what was malformed."""
    write_files(root, files)
    given = context(root, program)
    families = list(COLLECTOR.create(given).collect())
    check_metrics(generate_latest(_Families(families)))
    return Samples(families), given.malformed.count


def probe(samples: Samples) -> dict[str, str]:
    """Return the outcome of each step."""
    return {labels["step"]: labels["outcome"] for labels in samples.labels("lustre_client_probe")}


def reason(samples: Samples) -> str:
    """Return why the client is not up; "" where it is."""
    (labels,) = samples.labels("lustre_client_up")
    assert samples("lustre_client_up", **labels) == float(not labels["reason"])
    return labels["reason"]


def test_an_old_client(tmp_path: Path) -> None:
    """All in /proc, simple values in sysfs: base units, the file system's name, no mount's, no server's device."""
    samples, malformed = collect(tmp_path, OLD)
    assert reason(samples) == ""
    assert malformed == 0
    assert probe(samples) == {
        "proc": "statistics",
        "sysfs": "partial",
        "debugfs": "missing",
        "lctl": "not needed",
        "sudo": "not needed",
    }
    fs = {"fs": "scratch"}
    ost = {"fs": "scratch", "target": "OST0003"}
    assert samples("lustre_client_read_bytes_total", **fs) == 12288
    assert samples("lustre_client_read_calls_total", **fs) == 2
    assert samples("lustre_client_write_bytes_total", **fs) == 5
    assert samples("lustre_client_operations_total", **fs, operation="open") == 7
    assert samples("lustre_client_operation_seconds_total", **fs, operation="open") is None
    assert samples("lustre_client_read_ahead_total", **fs, event="readpage_not_consecutive") == 3
    assert samples("lustre_client_capacity_bytes", **fs) == 2 * 2**20
    assert samples("lustre_osc_requests_total", **ost) == 4
    assert samples("lustre_osc_request_wait_seconds_total", **ost) == 1.5
    assert samples("lustre_osc_rpcs_total", **ost, direction="write", pages="1024") == 9
    assert samples("lustre_osc_rpcs_total", **ost, direction="write", pages="1") is None
    assert samples("lustre_osc_rpcs_in_flight", **ost, direction="write") == 6
    assert samples("lustre_osc_dirty_bytes", **ost) == 4096
    assert samples("lustre_lnet_send_bytes_total") == 2000
    assert samples("lustre_lnet_drop_messages_total") == 11
    assert samples("lustre_client_healthy") == 0
    assert samples("lustre_client_info", version="2.10.1", jobid_var="SLURM_JOB_ID") == 1
    assert len(samples.labels("lustre_osc_requests_total")) == 1


def test_a_new_client_with_debugfs_open(tmp_path: Path) -> None:
    """Statistics in debugfs, capacity in sysfs; latencies are there; opens of a file are no operation."""
    samples, malformed = collect(tmp_path, NEW)
    assert (reason(samples), malformed) == ("", 0)
    assert probe(samples)["debugfs"] == "statistics"
    assert samples("lustre_client_read_bytes_total", fs="scratch") == 96
    assert samples("lustre_client_operation_seconds_total", fs="scratch", operation="open") == 0.01814
    assert samples("lustre_client_operations_total", fs="scratch", operation="opencount") is None
    assert samples("lustre_client_stats_start_time_seconds", fs="scratch") == 1748858812.5
    assert samples("lustre_client_healthy") == 1
    assert samples("lustre_lnet_receive_messages_total") == 90


def test_statistics_by_lctl(tmp_path: Path) -> None:
    """Where the files hide the statistics lctl is asked; what of its output is not wanted is left."""
    program = f"test \"$1\" = get_param || exit 9\ncat <<'END'\n{texts.GET_PARAM}END\nexit 2"
    samples, malformed = collect(tmp_path, WITHOUT_STATS, program)
    assert (reason(samples), malformed) == ("", 0)
    assert probe(samples) | {"sudo": ""} == {
        "proc": "missing",
        "sysfs": "partial",
        "debugfs": "missing",
        "lctl": "statistics",
        "sudo": "",
    }
    assert samples("lustre_client_read_bytes_total", fs="scratch") == 96
    assert samples("lustre_client_capacity_bytes", fs="scratch") == 2 * 2**20
    assert samples("lustre_osc_requests_total", fs="scratch", target="OST0003") == 4
    assert samples("lustre_lnet_send_messages_total") == 100
    assert samples("lustre_client_sample_age_seconds") is not None


def test_hidden_statistics_say_so(tmp_path: Path) -> None:
    """Capacity is shown, and the reason names each place that was tried."""
    samples, _ = collect(tmp_path, WITHOUT_STATS, "echo 'error: get_param: Permission denied' >&2; exit 13")
    assert re.fullmatch(r"the statistics are hidden \(.*sysfs: partial.*lctl: refused, .*\)", reason(samples))
    assert samples("lustre_client_capacity_bytes", fs="scratch") == 2 * 2**20
    assert samples("lustre_client_read_bytes_total", fs="scratch") is None


def test_sudo_is_the_last_resort_and_is_not_repeated(tmp_path: Path) -> None:
    """`sudo -n lctl` tells what lctl alone does not; where it is refused it is tried once, not at each scrape."""
    write_files(tmp_path, WITHOUT_STATS)
    given = context(tmp_path, 'test "$ROOT" || exit 13\n' + f"cat <<'END'\n{texts.GET_PARAM}END")
    sudo = tmp_path / "bin" / "sudo"
    sudo.write_text(
        f'#!/bin/sh\necho "asked $1" >> {tmp_path}/asked\ntest -e {tmp_path}/allowed || exit 1\nshift\nROOT=1 "$@"\n'
    )
    sudo.chmod(0o755)
    (tmp_path / "allowed").touch()
    samples = Samples(COLLECTOR.create(given).collect())
    assert (reason(samples), probe(samples)["sudo"]) == ("", "statistics")
    (tmp_path / "allowed").unlink()
    (tmp_path / "asked").unlink()
    refused = COLLECTOR.create(context(tmp_path, "exit 13", lustre_every="0.1"))
    for _ in range(3):
        samples = Samples(refused.collect())
    assert probe(samples)["sudo"] == "error"
    assert (tmp_path / "asked").read_text() == "asked -n\n"


def test_lnet_by_lnetctl(tmp_path: Path) -> None:
    """Where no file has LNet's counters, lnetctl is asked."""
    given = context(tmp_path)
    lnetctl = tmp_path / "bin" / "lnetctl"
    lnetctl.write_text(f"#!/bin/sh\ntest \"$*\" = 'stats show' && cat <<'END'\n{texts.LNET_YAML}END\n")
    lnetctl.chmod(0o755)
    write_files(tmp_path, {name: text for name, text in OLD.items() if "lnet" not in name})
    samples = Samples(COLLECTOR.create(given).collect())
    assert samples("lustre_lnet_send_messages_total") == 100
    assert samples("lustre_lnet_errors_total") == 2


def test_nothing_there(tmp_path: Path) -> None:
    """A node without Lustre, and one whose Lustre has nothing mounted."""
    samples, malformed = collect(tmp_path, {})
    assert (reason(samples), malformed) == ("no Lustre client on this node", 0)
    samples, _ = collect(tmp_path, {"sys/fs/lustre/version": "2.15.1\n"})
    assert reason(samples) == "no Lustre file system is mounted"


def test_two_mounts_are_one_series(tmp_path: Path) -> None:
    """Mounts of a file system are added up; a remount makes no second series, and no total falls."""
    first, second = (f"proc/fs/lustre/llite/my-scratch-{mount}/stats" for mount in ("ffff01", "ffff02"))
    line = "read_bytes {} samples [bytes] 1 1 {}\n"
    write_files(tmp_path, {first: line.format(1, 100), second: line.format(1, 50)})
    collector = COLLECTOR.create(context(tmp_path))

    def read() -> float | None:
        samples = Samples(collector.collect())
        assert samples.labels("lustre_client_read_bytes_total") == [{"fs": "my-scratch"}]
        return samples("lustre_client_read_bytes_total", fs="my-scratch")

    assert read() == 150
    (tmp_path / first).unlink()
    (tmp_path / first).parent.rmdir()
    assert read() == 150
    write_files(tmp_path, {first.replace("ffff01", "ffff03"): line.format(1, 7), second: line.format(1, 60)})
    assert read() == 167


def test_lctl_without_a_mount(tmp_path: Path) -> None:
    """That nothing is found is no error."""
    program = "echo \"error: get_param: param_path 'llite/*/stats': No such file or directory\" >&2; exit 2"
    samples, _ = collect(tmp_path, {}, program)
    assert (reason(samples), probe(samples)["lctl"]) == ("no Lustre file system is mounted", "empty")


def test_garbage_is_counted(tmp_path: Path) -> None:
    """A file that is no statistics costs itself."""
    files = {**OLD, f"proc/fs/lustre/llite/scratch-{MOUNT}/kbytestotal": "many\n"}
    samples, malformed = collect(tmp_path, files)
    assert malformed == 1
    assert samples("lustre_client_capacity_bytes", fs="scratch") is None
    assert samples("lustre_client_read_bytes_total", fs="scratch") == 12288


def test_a_read_that_never_returns(tmp_path: Path) -> None:
    """A FIFO in place of a file costs that file: the rest is read in time, at this scrape and at later ones.

    When the read returns at last, the file is read again.
    """
    write_files(tmp_path, OLD)
    hung = tmp_path / f"proc/fs/lustre/osc/scratch-OST0003-osc-{MOUNT}/stats"
    hung.unlink()
    os.mkfifo(hung)
    collector = COLLECTOR.create(context(tmp_path))
    for _ in range(3):
        begun = time.monotonic()
        samples = Samples(collector.collect())
        assert time.monotonic() - begun < 1
        assert samples("lustre_client_hanging_files") == 1
        assert samples("lustre_osc_requests_total", fs="scratch", target="OST0003") is None
        assert samples("lustre_client_read_bytes_total", fs="scratch") == 12288
        assert samples("lustre_lnet_send_bytes_total") == 2000
    with hung.open("w") as pipe:
        hung.unlink()
        hung.write_text(texts.DEVICE_STATS)
        pipe.write(texts.DEVICE_STATS)
    deadline = time.monotonic() + 10
    while Samples(collector.collect())("lustre_osc_requests_total", fs="scratch", target="OST0003") != 4:
        assert time.monotonic() < deadline


def test_hidden_by_a_read_that_never_returns(tmp_path: Path) -> None:
    """When it is the statistics that hang, that is the reason."""
    path = tmp_path / f"proc/fs/lustre/llite/scratch-{MOUNT}/stats"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    samples = Samples(COLLECTOR.create(context(tmp_path)).collect())
    assert reason(samples) == "reading Lustre's files does not return"
    assert probe(samples)["proc"] == "timeout"


@pytest.mark.timing
def test_the_other_collectors_are_complete_beside_a_mount_that_hangs(tmp_path: Path) -> None:
    """Through the real sidecar: the scrape is in time, process and cgroup have all their series."""
    write_files(tmp_path, OLD)
    for name in ("stats", "read_ahead_stats", "kbytestotal"):
        path = tmp_path / f"proc/fs/lustre/llite/scratch-{MOUNT}/{name}"
        path.unlink()
        os.mkfifo(path)
    FakeProcess(pid=50, environment={"SLURM_JOB_ID": "1"}).write(tmp_path / "proc")
    arguments = ("lustre", "process", "cgroup", "--root", str(tmp_path), "--run-id", "x")
    with serving(tmp_path, *arguments) as sidecar:
        begun = time.monotonic()
        answer = sidecar.ask()
        assert time.monotonic() - begun < 2
    samples = Samples.parse(answer.body)
    for name in ("lustre", "process", "cgroup"):
        assert samples("exporter_collector_success", collector=name) == 1
    assert samples("lustre_client_hanging_files") == 3
    assert samples("exporter_collector_timeouts_total", collector="lustre") == 1
    assert samples("exporter_collector_timeouts_total", collector="cgroup") == 0
    assert {"cgroup_up", "process_tree_up"} & samples.names()


@pytest.mark.parametrize("seconds", ["0", "soon", "nan"])
def test_a_pace_that_is_none_is_refused(tmp_path: Path, seconds: str) -> None:
    """The error names the option and what it takes."""
    with pytest.raises(OptionError, match=r"--lustre-every .* seconds from"):
        COLLECTOR.create(context(tmp_path, lustre_every=seconds))
