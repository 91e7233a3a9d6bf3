"""Machines, by node_exporter: the whole node, not the job alone."""

from prometheus.rules.base import Alert, Group, Record, directed, ratio

_DISKS = 'device!~"(dm-|md|loop|ram|zram).*"'
"""Devices that bytes go to in the end: volumes and RAIDs are made of others, which count the same bytes."""

_LINKS = 'device!~"(lo|veth|docker|br-|virbr|bond|team|dummy|ifb|tun|tap).*"'
_AVAILABLE = 'node_filesystem_avail_bytes{fstype!~"rootfs|fuse.*"}'
_FREE = "node_filesystem_avail_bytes / (node_filesystem_size_bytes > 0)"


def _sum(metric: str, where: str) -> str:
    return f"sum by ($k) (rate({metric}{{{where}}}[$w]))"


GROUP = Group(
    "node",
    records=(
        Record("node:cpu_busy_ratio", 'clamp_min(1 - avg by ($k) (rate(node_cpu_seconds_total{mode="idle"}[$w])), 0)'),
        Record(
            "node:memory_used_ratio",
            f"1 - {ratio('sum by ($k) (node_memory_MemAvailable_bytes)', 'sum by ($k) (node_memory_MemTotal_bytes)')}",
        ),
        *directed(
            "node:disk_bytes_rate",
            read=_sum("node_disk_read_bytes_total", _DISKS),
            write=_sum("node_disk_written_bytes_total", _DISKS),
        ),
        *directed(
            "node:network_bytes_rate",
            in_=_sum("node_network_receive_bytes_total", _LINKS),
            out=_sum("node_network_transmit_bytes_total", _LINKS),
        ),
        *directed(  # RDMA goes past the network devices
            "node:fabric_bytes_rate",
            in_=_sum("node_infiniband_port_data_received_bytes_total", ""),
            out=_sum("node_infiniband_port_data_transmitted_bytes_total", ""),
        ),
    ),
    alerts=(
        Alert(
            "NodeOomNear",
            "node:memory_used_ratio > 0.95",
            5,
            "critical",
            "{{ $labels.node }} has {{ $value | humanizePercentage }} of its memory in use",
            "The kernel will end a process soon: stop what is not part of the run, or use a smaller model or data set.",
            unit="ratio",
        ),
        Alert(
            "NodeOomKill",
            "sum by ($k) (increase(node_vmstat_oom_kill[$q])) > 0",
            0,
            "critical",
            "the kernel ended a process of {{ $labels.node }} for want of memory",
            "See which one by the report's `ended by itself` and dmesg; what was measured since is another system.",
        ),
        Alert(
            "NodeSwaps",
            "sum by ($k) (rate(node_vmstat_pswpin[$w]) + rate(node_vmstat_pswpout[$w])) > 100",
            5,
            "warning",
            "{{ $labels.node }} swaps {{ $value | humanize }} pages a second",
            "Memory is short, and what is asked for waits for a disk: use a smaller model or data set, or more memory.",
            unit="/s",
        ),
        Alert(
            "DiskFilling",
            f"min by ($k, mountpoint) (({_FREE}) and (predict_linear({_AVAILABLE}[$q], 300) < 0))",
            10,
            "warning",
            "{{ $labels.mountpoint }} of {{ $labels.node }} will be full within 5 minutes; "
            "{{ $value | humanizePercentage }} is free",
            "Let the run write less or elsewhere: the run ends itself when less than 64 MB are left for it.",
            unit="ratio",
            worst="lowest",
        ),
        Alert(
            "DiskAlmostFull",
            f"min by ($k, mountpoint) (({_FREE}) < 0.05 and (deriv({_AVAILABLE}[$q]) < 0))",
            5,
            "warning",
            "{{ $labels.mountpoint }} of {{ $labels.node }} has {{ $value | humanizePercentage }} left, and it shrinks",
            "Make room on it, or put the recording elsewhere with --root.",
            unit="ratio",
            worst="lowest",
        ),
        Alert(
            "CpuThermalThrottle",
            "sum by ($k) (rate(node_cpu_core_throttles_total[$w])) > 0",
            5,
            "warning",
            "cores of {{ $labels.node }} are throttled for heat, {{ $value | humanize }} times a second",
            "Its speed is not that of its neighbours: run elsewhere, and tell the site.",
            unit="/s",
        ),
    ),
)
