"""A page as a large node's node_exporter gives it, of as many series as asked, whose values change with the time."""

import math
from collections.abc import Iterator
from itertools import count, product

_MODES = ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
_DISK = ("read_bytes", "written_bytes", "reads_completed", "writes_completed", "io_time_seconds")
_LINK = ("receive_bytes", "transmit_bytes", "receive_packets", "transmit_packets", "receive_errs", "transmit_errs")
_MOUNTS = ('mountpoint="/"', 'mountpoint="/local"', 'mountpoint="/scratch"')
_COLLECTORS = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "netstat", "vmstat")


def page(at: float, series: int) -> bytes:
    """Return the page at `at` seconds with exactly `series` samples: counters that grow unevenly, gauges that move.

    The names are those that the rules and dashboards of a run read, the rest is filled with node_netstat's kind.
    """
    lines, metric = [], ""
    for _, (name, labels, value) in zip(range(series), _samples(at), strict=False):
        if name != metric:
            metric = name
            lines.append(f"# HELP {name} As node_exporter tells it.\n")
            lines.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}\n")
        lines.append(f"{name}{{{labels}}} {value!r}\n" if labels else f"{name} {value!r}\n")
    return "".join(lines).encode()


def _samples(at: float) -> Iterator[tuple[str, str, float]]:
    wave = 0.5 + 0.4 * math.sin(at / 7)
    yield from (("node_scrape_collector_success", f'collector="{name}"', 1) for name in _COLLECTORS)
    yield "node_memory_MemTotal_bytes", "", 512 * 2**30
    yield "node_memory_MemAvailable_bytes", "", int(2**39 * wave) // 4096 * 4096
    yield from ((f"node_load{minutes}", "", round(40 * wave + minutes, 2)) for minutes in (1, 5, 15))
    yield "node_vmstat_oom_kill", "", 0
    for name, size in (("size", 2**40), ("avail", int(2**39 + 2**30 * wave))):
        yield from ((f"node_filesystem_{name}_bytes", f'device="d",fstype="xfs",{mount}', size) for mount in _MOUNTS)
    for name, number in product(_DISK, range(4)):
        yield f"node_disk_{name}_total", f'device="nvme{number}n1"', int(at * 1e6 * (number + wave))
    for name, number in product(_LINK, range(4)):
        yield f"node_network_{name}_total", f'device="ib{number}"', int(at * 1e7 * (number + wave))
    for core, (number, mode) in product(range(32), enumerate(_MODES)):
        yield "node_cpu_seconds_total", f'cpu="{core}",mode="{mode}"', round(at * (number + wave) / 36, 2)
    for number in count():
        yield f"node_netstat_Tcp_Stat{number}", "", int(at * number * wave) if number % 4 else number
