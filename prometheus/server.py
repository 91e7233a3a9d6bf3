"""Command lines of Prometheus and node_exporter. Neither listens without a web.config.file."""

from pathlib import Path

NODE_COLLECTORS = (
    *("conntrack", "cpu", "cpufreq", "diskstats", "edac", "filefd", "filesystem", "infiniband", "interrupts"),
    *("loadavg", "meminfo", "meminfo_numa", "netdev", "netstat", "nfs", "pressure", "schedstat", "sockstat"),
    *("softnet", "stat", "thermal_zone", "time", "uname", "vmstat"),
)
"""What a benchmark node can tell about CPU, memory, NUMA, disks, network, fabric and pressure; the rest is off."""

_PSEUDO_FILE_SYSTEMS = (
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|lustre|mqueue|nfs4?|"
    "nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$"
)
"""Lustre and NFS among them: statfs on a hung mount would hang the scrape; `lustre` has an exporter of its own."""


def live_command(
    binary: str, config: Path, data: Path, listen: str, web_config: Path, *, flush: float | None = None
) -> list[str]:
    """Return the command of a run's Prometheus. `listen` is host:port; `flush` seconds are left to a remote store."""
    return [
        *replay_command(binary, config, data, listen, web_config),
        "--web.enable-remote-write-receiver",  # k6 pushes; the flag is the same from 2.33 to 3.x
        *(() if flush is None else (f"--storage.remote.flush-deadline={flush:g}s",)),
    ]


def replay_command(binary: str, config: Path, data: Path, listen: str, web_config: Path) -> list[str]:
    """Return the command of a Prometheus over a copy of a recording."""
    return [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        # A century: a run is never cut, an old recording never aged out. 3.x calls the flag deprecated and takes it.
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={listen}",
        f"--web.config.file={web_config}",
        "--web.enable-admin-api",  # the snapshot
        "--log.level=warn",
    ]


def node_exporter_command(binary: str, listen: str, web_config: Path) -> list[str]:
    """Return the command of node_exporter with NODE_COLLECTORS. `listen` is host:port."""
    return [
        binary,
        f"--web.listen-address={listen}",
        f"--web.config.file={web_config}",
        "--web.disable-exporter-metrics",
        "--collector.disable-defaults",
        *(f"--collector.{name}" for name in NODE_COLLECTORS),
        f"--collector.filesystem.fs-types-exclude={_PSEUDO_FILE_SYSTEMS}",
        "--collector.netdev.device-exclude=^(veth.*|docker.*|br-.*|cali.*)$",
        "--log.level=warn",
    ]
