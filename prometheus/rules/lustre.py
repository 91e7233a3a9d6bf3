"""The node's Lustre client, by the sidecar `lustre`: all jobs of the node, by file system."""

from prometheus.rules.base import Alert, Group, Record, directed, rate

GROUP = Group(
    "lustre",
    records=(
        *directed(
            "lustre:bytes_rate",
            read=rate("lustre_client_read_bytes_total", by="$k, fs"),
            write=rate("lustre_client_write_bytes_total", by="$k, fs"),
        ),
        Record("lustre:operations_rate", rate("lustre_client_operations_total", by="$k, fs")),
    ),
    alerts=(
        Alert(
            "LustreUnhealthy",
            "min by ($k) (lustre_client_healthy) == 0",
            5,
            "critical",
            "the Lustre client of {{ $labels.node }} says that it is not healthy",
            "A target may be gone: see `lctl get_param health_check` and dmesg; what waits for it stands still.",
            worst="lowest",
        ),
        Alert(
            "LustreHangs",
            "max by ($k) (lustre_client_hanging_files) > 0",
            10,
            "warning",
            "{{ $value | humanize }} of Lustre's files on {{ $labels.node }} do not come back when they are read",
            "The client waits for a server: figures of its file systems are old, and the service's reads may wait too.",
        ),
    ),
)
