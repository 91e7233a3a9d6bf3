"""The job's control group, by the sidecar `cgroup`: what the job uses of what it was given."""

from prometheus.rules.base import Alert, Group, Record, rate, ratio

_USED = ratio("max by ($k) (cgroup_memory_working_set_bytes)", "min by ($k) (cgroup_memory_limit_bytes)")

GROUP = Group(
    "cgroup",
    records=(
        Record("cgroup:cpu_cores", rate("cgroup_cpu_usage_seconds_total")),
        Record("cgroup:memory_used_ratio", _USED),
        Record("cgroup:cpu_throttled_ratio", rate("cgroup_cpu_throttled_seconds_total")),
    ),
    alerts=(
        Alert(
            "JobOomNear",
            "cgroup:memory_used_ratio > 0.95",
            5,
            "critical",
            "the job uses {{ $value | humanizePercentage }} of its memory on {{ $labels.node }}",
            "Slurm will end a process soon: ask for more (allocation.memory), or use a smaller model or data set.",
            unit="ratio",
        ),
        Alert(
            "JobOomKill",
            "sum by ($k) (increase(cgroup_memory_oom_kills_total[$q])) > 0",
            0,
            "critical",
            "a process of the job was ended on {{ $labels.node }} for want of memory",
            "Ask for more (allocation.memory); what was measured since is another system.",
        ),
        Alert(
            "JobCpuThrottled",
            "cgroup:cpu_throttled_ratio > 0.2",
            10,
            "warning",
            "the CPU quota holds the job back on {{ $labels.node }}, {{ $value | humanizePercentage }} of the time",
            "Ask for more cores (allocation.cpus_per_node), or let the service use fewer threads.",
            unit="ratio",
        ),
    ),
)
