"""Nodes, the job's control group, and the run's programs: who uses what of the machine."""

from grafana.board import Board
from grafana.layout import Section
from grafana.needs import exporters
from grafana.palette import BAD, GOOD, GREY, WARNING
from grafana.panels import bar_gauge, stat, timeseries
from grafana.queries import Query

_DEVICES = 'device!~"lo|veth.*|docker.*|br-.*"'

BOARD = Board(
    name="node",
    title="Node",
    description="CPU, memory, network and disks of the nodes, the job's share of them, and the programs' parts.",
    needs=exporters("node", "cgroup", "process"),
    sections=[
        Section(
            "Programs of the run",
            [
                timeseries(
                    "CPU of programs",
                    "Which program uses the cores? Each with its children.",
                    "suffix: cores",
                    Query("{{service}}", "sum by (service) (rate(process_tree_cpu_seconds_total{NODE}[RATE]))"),
                    stacked=True,
                ),
                timeseries(
                    "Memory of programs",
                    "Which program holds the memory? Resident, each with its children.",
                    "bytes",
                    Query("{{service}}", "sum by (service) (process_tree_resident_memory_bytes{NODE})"),
                    stacked=True,
                ),
                timeseries(
                    "Bytes read by programs",
                    "Which program takes data in? By system calls: files, sockets and network file systems.",
                    "binBps",
                    Query("{{service}}", "sum by (service) (rate(process_tree_read_chars_total{NODE}[RATE]))"),
                ),
                timeseries(
                    "Bytes written by programs",
                    "Which program gives data out? By system calls: files, sockets and network file systems.",
                    "binBps",
                    Query("{{service}}", "sum by (service) (rate(process_tree_write_chars_total{NODE}[RATE]))"),
                ),
                timeseries(
                    "Involuntary switches",
                    "Which program is pushed off its core? Then cores are short.",
                    "cps",
                    Query(
                        "{{service}}",
                        'sum by (service) (rate(process_tree_context_switches_total{NODE,kind="involuntary"}[RATE]))',
                    ),
                ),
                timeseries(
                    "Threads",
                    "Does a program keep making threads?",
                    "short",
                    Query("{{service}}", "sum by (service) (process_tree_threads{NODE})"),
                ),
                timeseries(
                    "Open files",
                    "How near is each program to its limit of open files and sockets?",
                    "percentunit",
                    Query(
                        "{{service}}",
                        "max by (service) (process_tree_open_fds{NODE} / (process_tree_max_fds{NODE} > 0))",
                    ),
                    most=1,
                    steps=[(0.9, BAD)],
                ),
            ],
            needs=exporters("process"),
        ),
        Section(
            "Control group of the job",
            [
                timeseries(
                    "CPU of the job",
                    "How many cores does the job use of those it has?",
                    "suffix: cores",
                    Query("{{node}}", "sum by (node) (rate(cgroup_cpu_usage_seconds_total{NODE}[RATE]))"),
                    Query("{{node}} has", "max by (node) (cgroup_cpus{NODE})", GREY, dashed=True),
                    Query("{{node}} quota", "min by (node) (cgroup_cpu_quota_cores{NODE})", BAD, dashed=True),
                ),
                timeseries(
                    "Memory of the job",
                    "How near is the job to its limit? The working set is what cannot be had back.",
                    "bytes",
                    Query("{{node}} in use", "sum by (node) (cgroup_memory_usage_bytes{NODE})"),
                    Query("{{node}} working set", "sum by (node) (cgroup_memory_working_set_bytes{NODE})"),
                    Query("{{node}} limit", "min by (node) (cgroup_memory_limit_bytes{NODE})", BAD, dashed=True),
                ),
                timeseries(
                    "Held back",
                    "In which share of the time did the CPU quota hold the job's tasks back?",
                    "percentunit",
                    Query("{{node}}", "sum by (node) (rate(cgroup_cpu_throttled_seconds_total{NODE}[RATE]))"),
                ),
                timeseries(
                    "Pressure on the job",
                    "In which share of the time did some task of the job wait for a resource (PSI)?",
                    "percentunit",
                    Query(
                        "{{node}} {{resource}}",
                        'max by (node, resource) (rate(cgroup_pressure_seconds_total{NODE,kind="some"}[RATE]))',
                    ),
                    width=12,
                ),
                stat(
                    "Killed for want of memory",
                    "How many processes of the job did the kernel kill in the time that is shown?",
                    "short",
                    Query("kills", "sum(increase(cgroup_memory_oom_kills_total{NODE}[$__range]))", instant=True),
                    steps=[(1, BAD)],
                    base=GOOD,
                    width=12,
                    height=8,
                    decimals=0,
                    missing="not told here",
                ),
            ],
            needs=exporters("cgroup"),
        ),
        Section(
            "CPU and memory of the nodes",
            [
                timeseries(
                    "CPU by mode",
                    "What do the cores do? `iowait` waits for disks, `steal` was taken by another virtual machine.",
                    "percentunit",
                    Query(
                        "{{node}} {{mode}}",
                        'avg by (node, mode) (rate(node_cpu_seconds_total{NODE,mode!="idle"}[RATE])) > 0.001',
                    ),
                    stacked=True,
                    most=1,
                ),
                timeseries(
                    "Busiest core",
                    "Is one core full while the others idle? Then one thread is the bottleneck.",
                    "percentunit",
                    Query("{{node}}", 'max by (node) (1 - rate(node_cpu_seconds_total{NODE,mode="idle"}[RATE]))'),
                    most=1,
                    steps=[(0.95, WARNING)],
                ),
                timeseries(
                    "Load",
                    "How many tasks run or want to, on average over a minute?",
                    "short",
                    Query("{{node}}", "max by (node) (node_load1{NODE})"),
                    Query(
                        "{{node}} cores",
                        'count by (node) (node_cpu_seconds_total{NODE,mode="idle"})',
                        GREY,
                        dashed=True,
                    ),
                ),
                timeseries(
                    "Memory",
                    "What is the memory used for?",
                    "bytes",
                    Query(
                        "{{node}} programs",
                        "sum by (node) (node_memory_MemTotal_bytes{NODE} - node_memory_MemAvailable_bytes{NODE})",
                    ),
                    Query("{{node}} page cache", "sum by (node) (node_memory_Cached_bytes{NODE})"),
                    Query("{{node}} has", "sum by (node) (node_memory_MemTotal_bytes{NODE})", GREY, dashed=True),
                ),
                timeseries(
                    "Pressure",
                    "In which share of the time did some task wait for a resource (PSI)?",
                    "percentunit",
                    Query("{{node}} CPU", "max by (node) (rate(node_pressure_cpu_waiting_seconds_total{NODE}[RATE]))"),
                    Query("{{node}} I/O", "max by (node) (rate(node_pressure_io_waiting_seconds_total{NODE}[RATE]))"),
                    Query(
                        "{{node}} memory",
                        "max by (node) (rate(node_pressure_memory_waiting_seconds_total{NODE}[RATE]))",
                    ),
                ),
                timeseries(
                    "Swapping and major faults",
                    "Do programs wait for pages that were swapped out or not yet read?",
                    "suffix: pages/s",
                    Query("{{node}} swapped in", "sum by (node) (rate(node_vmstat_pswpin{NODE}[RATE]))", BAD),
                    Query("{{node}} major faults", "sum by (node) (rate(node_vmstat_pgmajfault{NODE}[RATE]))"),
                ),
            ],
            needs=exporters("node"),
        ),
        Section(
            "Network and disks of the nodes",
            [
                timeseries(
                    "Network",
                    "How fast do the interfaces receive and send?",
                    "binBps",
                    Query(
                        "{{node}} {{device}} in",
                        f"sum by (node, device) (rate(node_network_receive_bytes_total{{NODE,{_DEVICES}}}[RATE]))",
                    ),
                    Query(
                        "{{node}} {{device}} out",
                        f"sum by (node, device) (rate(node_network_transmit_bytes_total{{NODE,{_DEVICES}}}[RATE]))",
                    ),
                ),
                timeseries(
                    "Loopback",
                    "How fast do programs of one node talk to each other?",
                    "binBps",
                    Query("{{node}}", 'sum by (node) (rate(node_network_receive_bytes_total{NODE,device="lo"}[RATE]))'),
                ),
                timeseries(
                    "InfiniBand",
                    "How fast do the fabric's ports receive and send?",
                    "binBps",
                    Query(
                        "{{node}} {{device}} in",
                        "sum by (node, device) (rate(node_infiniband_port_data_received_bytes_total{NODE}[RATE]))",
                    ),
                    Query(
                        "{{node}} {{device}} out",
                        "sum by (node, device) (rate(node_infiniband_port_data_transmitted_bytes_total{NODE}[RATE]))",
                    ),
                ),
                timeseries(
                    "Lost packets",
                    "Do interfaces drop packets or see errors?",
                    "pps",
                    Query(
                        "{{node}} dropped", "sum by (node) (rate(node_network_receive_drop_total{NODE}[RATE]))", WARNING
                    ),
                    Query("{{node}} errors", "sum by (node) (rate(node_network_receive_errs_total{NODE}[RATE]))", BAD),
                ),
                timeseries(
                    "Disk operations",
                    "How many reads and writes a second reach each device?",
                    "iops",
                    Query(
                        "{{node}} {{device}} reads",
                        "sum by (node, device) (rate(node_disk_reads_completed_total{NODE}[RATE]))",
                    ),
                    Query(
                        "{{node}} {{device}} writes",
                        "sum by (node, device) (rate(node_disk_writes_completed_total{NODE}[RATE]))",
                    ),
                ),
                bar_gauge(
                    "File systems",
                    "How full are the nodes' own file systems? A full disk ends a run.",
                    "percentunit",
                    Query(
                        "{{node}} {{mountpoint}}",
                        "1 - max by (node, mountpoint) (node_filesystem_avail_bytes{NODE})"
                        " / (max by (node, mountpoint) (node_filesystem_size_bytes{NODE}) > 0)",
                    ),
                    most=1,
                    steps=[(0.8, WARNING), (0.95, BAD)],
                ),
            ],
            needs=exporters("node"),
        ),
    ],
)
