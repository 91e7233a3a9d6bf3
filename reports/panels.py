"""The charts that a report may draw, as PromQL. What a recording has no series for is left out and named.

In an expression $w is the window of a rate, and `last(...)` stands for the value of a gauge that is no older than a
few scrapes: Prometheus itself would go on showing one for five minutes after its target had gone.
"""

import re
from dataclasses import dataclass

GROUPS = {
    "client": "Client",
    "service": "Service",
    "process": "Programs and job",
    "node": "Nodes",
    "recorder": "The recorder itself",
}
"""The groups of charts in their order."""


@dataclass(frozen=True)
class Panel:
    """One chart of `queries`, each a legend ({label} stands for a label's value) and an expression.

    `unit` as in `reports.words.display`; `when` is a metric of the service that this is about: a recording without it
    has another service, and nothing is missing.
    """

    group: str
    title: str
    unit: str
    description: str
    queries: tuple[tuple[str, str], ...]
    when: str | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all metrics that the queries need."""
        names = {name for _legend, text in self.queries for name in _METRIC.findall(text)}
        return tuple(sorted(names))


_METRIC = re.compile(r"\b((?:load|k6|llamacpp|vllm|pg|process_tree|cgroup|node|scrape|exporter)[_:][a-zA-Z0-9_:]+)\b")


def _panel(group: str, title: str, unit: str, description: str, *queries: tuple[str, str], when: str = "") -> Panel:
    return Panel(group, title, unit, description, queries, when or None)


def _quantiles(metric: str) -> tuple[tuple[str, str], ...]:
    rate = f"sum by (le) (rate({metric}[$w]))"
    return tuple((f"p{100 * p:g}", f"histogram_quantile({p}, {rate})") for p in (0.5, 0.99))


_LLAMA, _VLLM, _PG = "llamacpp:prompt_tokens_total", "vllm:num_requests_running", "pg_up"
_K6, _FIO = "k6_http_reqs_total", "load_files_operations_total"

_CLIENT = (
    _panel(
        *("client", "Requests in flight", "", "Their time has come and they have not ended, as scraped."),
        ("in flight", "last(load_requests_in_flight)"),
        ("users", "last(load_users) > 0"),
    ),
    _panel(
        *("client", "Tokens", "tokens/s", "Counted when an answer ends, as the server reports them."),
        ("{direction}", "sum by (direction) (rate(load_tokens_total[$w]))"),
    ),
    _panel(
        *(
            "client",
            "The client's own effort",
            "cores",
            "CPU of the load process; it has one event loop, so 1 is full.",
        ),
        ("load process", "sum(rate(load_process_cpu_seconds_total[$w]))"),
    ),
    _panel(
        *("client", "Event loop of the client", "s", "Longest time for which the client could not act, each second."),
        ("longest delay", "max(last(load_event_loop_lag_seconds))"),
    ),
    _panel(
        *("client", "k6: requests", "req/s", "As k6 itself counts and pushes them."),
        ("ended", "sum(rate(k6_http_reqs_total[$w]))"),
        ("dropped", "sum(rate(k6_dropped_iterations_total[$w]))"),
        when=_K6,
    ),
    _panel(
        *("client", "k6: users", "", "Virtual users that were at work, and all that there were."),
        ("at work", "sum(last(k6_vus))"),
        ("all", "sum(last(k6_vus_max))"),
        when=_K6,
    ),
    _panel(
        *("client", "fio: operations", "ops/s", "As fio counts them."),
        ("{target} {operation}", "sum by (target, operation) (rate(load_files_operations_total[$w]))"),
        when=_FIO,
    ),
    _panel(
        *("client", "fio: bytes", "bytes/s", "Read and written."),
        ("{target} {operation}", "sum by (target, operation) (rate(load_files_bytes_total[$w]))"),
        when=_FIO,
    ),
    _panel(
        *("client", "fio: completion latency, p99", "s", "From fio's histogram in three buckets a decade."),
        (
            "{target} {operation}",
            "histogram_quantile(0.99, sum by (le, target, operation) (rate(load_files_duration_seconds_bucket[$w])))",
        ),
        when=_FIO,
    ),
)

_SERVICE = (
    _panel(
        *("service", "llama.cpp: requests", "", "Worked on, and waiting for a slot."),
        ("processing", "sum(last(llamacpp:requests_processing))"),
        ("deferred", "sum(last(llamacpp:requests_deferred))"),
        when=_LLAMA,
    ),
    _panel(
        *("service", "llama.cpp: tokens", "tokens/s", "Counted by the server."),
        ("prompt", "sum(rate(llamacpp:prompt_tokens_total[$w]))"),
        ("generated", "sum(rate(llamacpp:tokens_predicted_total[$w]))"),
        when=_LLAMA,
    ),
    _panel(
        *("service", "llama.cpp: busy slots", "", "Mean number of slots a decoding step worked for, since the start."),
        ("per step", "max(last(llamacpp:n_busy_slots_per_decode))"),
        when=_LLAMA,
    ),
    _panel(
        *("service", "vLLM: requests", "", "Running and waiting, all engines."),
        ("running", "sum(last(vllm:num_requests_running))"),
        ("waiting", "sum(last(vllm:num_requests_waiting))"),
        when=_VLLM,
    ),
    _panel(
        *("service", "vLLM: KV cache", "ratio", "Share in use, the fullest engine."),
        ("in use", "max(last(vllm:kv_cache_usage_perc)) or max(last(vllm:gpu_cache_usage_perc))"),
        when=_VLLM,
    ),
    _panel(
        *("service", "vLLM: tokens", "tokens/s", "Counted by the server."),
        ("prompt", "sum(rate(vllm:prompt_tokens_total[$w]))"),
        ("generated", "sum(rate(vllm:generation_tokens_total[$w]))"),
        when=_VLLM,
    ),
    _panel(
        *("service", "vLLM: time to first token", "s", "From the server's histogram: right to its bucket's width."),
        *_quantiles("vllm:time_to_first_token_seconds_bucket"),
        when=_VLLM,
    ),
    _panel(
        *("service", "vLLM: preemptions", "1/s", "Requests thrown out of the KV cache."),
        ("preemptions", "sum(rate(vllm:num_preemptions_total[$w]))"),
        when=_VLLM,
    ),
    _panel(
        *("service", "PostgreSQL: transactions", "1/s", "By database."),
        ("{datname} commit", "sum by (datname) (rate(pg_stat_database_xact_commit[$w])) > 0"),
        ("{datname} rollback", "sum by (datname) (rate(pg_stat_database_xact_rollback[$w])) > 0"),
        when=_PG,
    ),
    _panel(
        *("service", "PostgreSQL: cache", "ratio", "Share of blocks found in shared buffers, all databases."),
        (
            "hit",
            "1 - sum(rate(pg_stat_database_blks_read[$w]))"  # noqa: ISC004
            " / sum(rate(pg_stat_database_blks_read[$w]) + rate(pg_stat_database_blks_hit[$w]))",
        ),
        when=_PG,
    ),
    _panel(
        *("service", "PostgreSQL: rows", "1/s", "All databases."),
        ("returned", "sum(rate(pg_stat_database_tup_returned[$w]))"),
        ("fetched", "sum(rate(pg_stat_database_tup_fetched[$w]))"),
        ("written", "sum(rate(pg_stat_database_tup_inserted[$w]) + rate(pg_stat_database_tup_updated[$w]))"),
        when=_PG,
    ),
    _panel(
        *("service", "PostgreSQL: connections", "", "By state."),
        ("{state}", "sum by (state) (last(pg_stat_activity_count)) > 0"),
        when=_PG,
    ),
)

_PROCESS = (
    _panel(
        *("process", "CPU of the programs", "cores", "Each with its children."),
        ("{service}", "sum by (service) (rate(process_tree_cpu_seconds_total[$w]))"),
    ),
    _panel(
        *("process", "Memory of the programs", "bytes", "Resident."),
        ("{service}", "sum by (service) (last(process_tree_resident_memory_bytes))"),
    ),
    _panel(
        *("process", "Bytes read", "bytes/s", "By system calls: files, sockets and network file systems."),
        ("{service}", "sum by (service) (rate(process_tree_read_chars_total[$w]))"),
    ),
    _panel(
        *("process", "Bytes written", "bytes/s", "By system calls: files, sockets and network file systems."),
        ("{service}", "sum by (service) (rate(process_tree_write_chars_total[$w]))"),
    ),
    _panel(
        *("process", "Threads", "", "Of each program with its children."),
        ("{service}", "sum by (service) (last(process_tree_threads))"),
    ),
    _panel(
        *("process", "Open files", "", "Descriptors of each program with its children, sockets included."),
        ("{service}", "sum by (service) (last(process_tree_open_fds))"),
    ),
    _panel(
        *("process", "CPU of the job", "cores", "Of the control group: what the job uses of its share of the node."),
        ("{node}", "sum by (node) (rate(cgroup_cpu_usage_seconds_total[$w]))"),
    ),
    _panel(
        *("process", "Memory of the job", "bytes", "Of the control group; working set is what cannot be had back."),
        ("{node} in use", "sum by (node) (last(cgroup_memory_usage_bytes))"),
        ("{node} working set", "sum by (node) (last(cgroup_memory_working_set_bytes))"),
        ("{node} limit", "sum by (node) (last(cgroup_memory_limit_bytes))"),
    ),
    _panel(
        *("process", "Throttling of the job", "ratio", "Share of time for which the CPU quota held tasks back."),
        ("{node}", "sum by (node) (rate(cgroup_cpu_throttled_seconds_total[$w]))"),
    ),
)

_NODE = (
    _panel(
        *("node", "CPU of the node", "ratio", "Share of all cores that was busy: the whole node, not the job alone."),
        ("{node}", '1 - avg by (node) (rate(node_cpu_seconds_total{mode="idle"}[$w]))'),
    ),
    _panel(
        *("node", "Memory of the node", "bytes", "In use: total less available."),
        (
            "{node}",
            "sum by (node) (last(node_memory_MemTotal_bytes)) - sum by (node) (last(node_memory_MemAvailable_bytes))",
        ),
    ),
    _panel(
        *("node", "Network", "bytes/s", "All devices but loopback."),
        ("{node} in", 'sum by (node) (rate(node_network_receive_bytes_total{device!="lo"}[$w]))'),
        ("{node} out", 'sum by (node) (rate(node_network_transmit_bytes_total{device!="lo"}[$w]))'),
    ),
    _panel(
        *("node", "Loopback", "bytes/s", "What programs of the node tell each other."),
        ("{node}", 'sum by (node) (rate(node_network_receive_bytes_total{device="lo"}[$w]))'),
    ),
    _panel(
        *("node", "Disks", "bytes/s", "All block devices."),
        ("{node} read", "sum by (node) (rate(node_disk_read_bytes_total[$w]))"),
        ("{node} write", "sum by (node) (rate(node_disk_written_bytes_total[$w]))"),
    ),
    _panel(
        *("node", "Pressure", "ratio", "Share of time in which some task waited for it (PSI)."),
        ("{node} CPU", "sum by (node) (rate(node_pressure_cpu_waiting_seconds_total[$w]))"),
        ("{node} I/O", "sum by (node) (rate(node_pressure_io_waiting_seconds_total[$w]))"),
        ("{node} memory", "sum by (node) (rate(node_pressure_memory_waiting_seconds_total[$w]))"),
    ),
)

_RECORDER = (
    _panel(
        *("recorder", "CPU of the recorder", "cores", "Prometheus and the sidecars: what watching cost."),
        (
            "{service}",
            'sum by (service) (rate(process_tree_cpu_seconds_total{service=~"prometheus|.*exporter.*"}[$w]))',
        ),
    ),
    _panel(
        *("recorder", "Memory of the recorder", "bytes", "Prometheus and the sidecars, resident."),
        (
            "{service}",
            'sum by (service) (last(process_tree_resident_memory_bytes{service=~"prometheus|.*exporter.*"}))',
        ),
    ),
    _panel(
        *("recorder", "Time of a scrape", "s", "How long each target took to answer."),
        ("{job} {node}", "max by (job, node) (last(scrape_duration_seconds))"),
    ),
    _panel(
        *("recorder", "Samples of a scrape", "", "How many values each target gave."),
        ("{job} {node}", "max by (job, node) (last(scrape_samples_scraped))"),
    ),
    _panel(
        *("recorder", "Time of a collector", "s", "How long each part of a sidecar took."),
        ("{collector} {node}", "max by (collector, node) (last(exporter_collector_duration_seconds))"),
    ),
)

PANELS: tuple[Panel, ...] = (*_CLIENT, *_SERVICE, *_PROCESS, *_NODE, *_RECORDER)
