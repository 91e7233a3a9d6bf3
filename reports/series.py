"""What the report draws: panels of PromQL over the recording, and the client's latencies from the records."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from prometheus.client import Client, Series
from reports.evidence import Evidence, Window
from reports.statistics import Floats

MOST_SERIES = 12
MOST_POINTS = 1200


@dataclass(frozen=True)
class Query:
    """One expression and how its series are called; {label} stands for a label's value. $w is the rate's window."""

    legend: str
    expression: str


@dataclass(frozen=True)
class Panel:
    """One chart. It is drawn where `metric` is in the recording; `unit` as in `reports.summary.display`."""

    group: str
    title: str
    unit: str
    about: str
    metric: str
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class Line:
    """A drawn series: a name and a value (NaN: none) for each point of the grid."""

    name: str
    values: Floats


@dataclass(frozen=True)
class Chart:
    """A panel with its lines."""

    group: str
    title: str
    unit: str
    about: str
    lines: tuple[Line, ...] = field(default=())


@dataclass(frozen=True)
class Grid:
    """The time axis that all charts share: UTC seconds, `step` apart."""

    times: Floats
    step: float

    @classmethod
    def over(cls, start: float, end: float, interval: float) -> "Grid":
        """Make a grid of the recording's interval, coarser for long runs (MOST_POINTS)."""
        step = interval * max(1, int(np.ceil((end - start) / interval / MOST_POINTS)))
        return cls(np.arange(start, end + step / 2, step), step)


def _panel(group: str, title: str, unit: str, about: str, metric: str, *queries: tuple[str, str]) -> Panel:
    return Panel(group, title, unit, about, metric, tuple(Query(legend, text) for legend, text in queries))


PANELS: tuple[Panel, ...] = (
    _panel(
        *("client", "Requests in flight", "", "Sent and not answered yet; with the client's users where it has any."),
        "load_requests_in_flight",
        ("in flight", "load_requests_in_flight"),
    ),
    _panel(
        *("client", "Client lag", "s", "How late requests left, p99: the client's own delay, from its histogram."),
        "load_client_lag_seconds_bucket",
        ("lag p99", "histogram_quantile(0.99, sum by (le) (rate(load_client_lag_seconds_bucket[$w])))"),
        ("event loop", "load_event_loop_lag_seconds"),
    ),
    _panel(
        *("client", "Tokens", "tokens/s", "As the server reports them."),
        "load_tokens_total",
        ("{direction}", "sum by (direction) (rate(load_tokens_total[$w]))"),
    ),
    _panel(
        *("service", "llama.cpp: requests", "", "Worked on, and waiting for a slot."),
        "llamacpp:requests_processing",
        ("processing", "sum(llamacpp:requests_processing)"),
        ("deferred", "sum(llamacpp:requests_deferred)"),
    ),
    _panel(
        *("service", "llama.cpp: tokens", "tokens/s", "Counted by the server."),
        "llamacpp:tokens_predicted_total",
        ("prompt", "sum(rate(llamacpp:prompt_tokens_total[$w]))"),
        ("generated", "sum(rate(llamacpp:tokens_predicted_total[$w]))"),
    ),
    _panel(
        *("service", "vLLM: requests", "", "Running and waiting, all engines."),
        "vllm:num_requests_running",
        ("running", "sum(vllm:num_requests_running)"),
        ("waiting", "sum(vllm:num_requests_waiting)"),
    ),
    _panel(
        *("service", "vLLM: KV cache", "ratio", "The fullest engine."),
        "vllm:kv_cache_usage_perc",
        ("in use", "max(vllm:kv_cache_usage_perc)"),
    ),
    _panel(
        *("service", "PostgreSQL: transactions", "1/s", "Of the benchmark's database."),
        "pg_stat_database_xact_commit",
        ("commit", 'sum(rate(pg_stat_database_xact_commit{datname="dashcam"}[$w]))'),
        ("rollback", 'sum(rate(pg_stat_database_xact_rollback{datname="dashcam"}[$w]))'),
    ),
    _panel(
        *("service", "PostgreSQL: blocks", "1/s", "Found in shared buffers, and read."),
        "pg_stat_database_blks_hit",
        ("hit", 'sum(rate(pg_stat_database_blks_hit{datname="dashcam"}[$w]))'),
        ("read", 'sum(rate(pg_stat_database_blks_read{datname="dashcam"}[$w]))'),
    ),
    _panel(
        *("process", "CPU of the programs", "cores", "Each with its children."),
        "process_tree_cpu_seconds_total",
        ("{service}", "sum by (service) (rate(process_tree_cpu_seconds_total[$w]))"),
    ),
    _panel(
        *("process", "Memory of the programs", "bytes", "Resident."),
        "process_tree_resident_memory_bytes",
        ("{service}", "sum by (service) (process_tree_resident_memory_bytes)"),
    ),
    _panel(
        *("process", "Bytes read and written", "bytes/s", "By system calls: files, sockets and network file systems."),
        "process_tree_read_chars_total",
        ("{service} read", "sum by (service) (rate(process_tree_read_chars_total[$w])) > 0"),
        ("{service} write", "sum by (service) (rate(process_tree_write_chars_total[$w])) > 0"),
    ),
    _panel(
        *("process", "Memory of the job's control group", "bytes", "In use and working set, per node."),
        "cgroup_memory_usage_bytes",
        ("{node} in use", "cgroup_memory_usage_bytes"),
        ("{node} working set", "cgroup_memory_working_set_bytes"),
        ("{node} limit", "cgroup_memory_limit_bytes"),
    ),
    _panel(
        *("node", "CPU of the node", "ratio", "Share of all cores that was busy; the whole node, not the job."),
        "node_cpu_seconds_total",
        ("{node}", '1 - avg by (node) (rate(node_cpu_seconds_total{mode="idle"}[$w]))'),
    ),
    _panel(
        *("node", "Memory of the node", "bytes", "In use: total less available."),
        "node_memory_MemAvailable_bytes",
        ("{node}", "sum by (node) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)"),
    ),
    _panel(
        *("node", "Network", "bytes/s", "All devices, loopback included."),
        "node_network_receive_bytes_total",
        ("{node} in", "sum by (node) (rate(node_network_receive_bytes_total[$w]))"),
        ("{node} out", "sum by (node) (rate(node_network_transmit_bytes_total[$w]))"),
    ),
    _panel(
        *("node", "Disks", "bytes/s", "All block devices."),
        "node_disk_read_bytes_total",
        ("{node} read", "sum by (node) (rate(node_disk_read_bytes_total[$w]))"),
        ("{node} write", "sum by (node) (rate(node_disk_written_bytes_total[$w]))"),
    ),
    _panel(
        *("node", "Pressure", "ratio", "Share of time in which some task waited (PSI)."),
        "node_pressure_cpu_waiting_seconds_total",
        ("{node} CPU", "sum by (node) (rate(node_pressure_cpu_waiting_seconds_total[$w]))"),
        ("{node} I/O", "sum by (node) (rate(node_pressure_io_waiting_seconds_total[$w]))"),
        ("{node} memory", "sum by (node) (rate(node_pressure_memory_waiting_seconds_total[$w]))"),
    ),
    _panel(
        *("recorder", "Time of a scrape", "s", "How long each target took to answer."),
        "scrape_duration_seconds",
        ("{job} {node}", "scrape_duration_seconds"),
    ),
    _panel(
        *("recorder", "CPU of the recorder", "cores", "Prometheus and the sidecars: what watching cost."),
        "process_tree_cpu_seconds_total",
        (
            "{service}",
            'sum by (service) (rate(process_tree_cpu_seconds_total{service=~"prometheus|.*exporter.*"}[$w]))',
        ),
    ),
)

GROUPS: Mapping[str, str] = {
    "client": "Client",
    "service": "Service",
    "process": "Programs and job",
    "node": "Nodes",
    "recorder": "The recorder itself",
}


def charts(evidence: Evidence, client: Client | None, grid: Grid) -> tuple[list[Chart], list[str]]:
    """Return the charts in their order, and what is not recorded: the titles of panels without data."""
    drawn = list(client_charts(evidence, grid))
    absent: list[str] = []
    if client is None or not len(grid.times):
        return drawn, [panel.title for panel in PANELS]
    known = set(client.label_values("__name__", float(grid.times[0]), float(grid.times[-1])))
    window = f"{max(5.0, 4 * evidence.recipe.watch.interval):g}s"
    for panel in PANELS:
        lines = _lines(panel, client, grid, window) if panel.metric in known else ()
        if lines:
            drawn.append(Chart(panel.group, panel.title, panel.unit, panel.about, lines))
        else:
            absent.append(panel.title)
    order = list(GROUPS)
    drawn.sort(key=lambda chart: order.index(chart.group))
    return drawn, absent


def _lines(panel: Panel, client: Client, grid: Grid, window: str) -> tuple[Line, ...]:
    lines: list[Line] = []
    for query in panel.queries:
        expression = query.expression.replace("$w", window)
        found = client.query_range(expression, float(grid.times[0]), float(grid.times[-1]), grid.step)
        named = sorted((legend(query.legend, series), series) for series in found if not np.isnan(series.values).all())
        lines += [Line(name, _on_grid(series, grid)) for name, series in named]
    return tuple(lines[:MOST_SERIES])


def legend(template: str, series: Series) -> str:
    """Fill a legend's {label} places."""
    name = template
    for label, value in series.labels.items():
        name = name.replace(f"{{{label}}}", value)
    return name


def _on_grid(series: Series, grid: Grid) -> Floats:
    values = np.full(len(grid.times), np.nan)
    places = np.rint((series.times - grid.times[0]) / grid.step).astype(int)
    inside = (places >= 0) & (places < len(values))
    values[places[inside]] = series.values[inside]
    values[np.isinf(values)] = np.nan
    return values


def client_charts(evidence: Evidence, grid: Grid) -> Iterable[Chart]:
    """Yield what the records say exactly, second by second, where histograms could only interpolate."""
    window = Window(tuple(evidence.manifest.phases), evidence.requests)
    if not len(evidence.requests) or not len(grid.times):
        return
    times, good = evidence.requests.times, evidence.requests.ok
    edges = np.append(grid.times, grid.times[-1] + grid.step)
    per_step = {
        "asked": np.histogram(times["intended"], edges)[0],
        "completed": np.histogram(times["done"][good], edges)[0],
        "failed": np.histogram(times["done"][~good], edges)[0],
    }
    rates = tuple(Line(name, counts / grid.step) for name, counts in per_step.items())
    yield Chart("client", "Requests", "req/s", "By intended time and by end, from the records.", rates)
    about = "p50 and p99 of the requests that were intended in each step, exactly, from the records."
    for title, first, last in (
        ("Latency", "intended", "done"),
        ("Time to first token", "intended", "first_token"),
        ("Service time", "sent", "done"),
    ):
        spans = times[last] - times[first]
        usable = good & ~np.isnan(spans)
        if usable.any():
            lines = _quantiles(times["intended"][usable], spans[usable], edges)
            yield Chart("client", title, "s", about, lines)
    if window.recall is not None:
        known = ~np.isnan(evidence.requests.recall)
        counts = np.histogram(times["intended"][known], edges)[0]
        sums = np.histogram(times["intended"][known], edges, weights=evidence.requests.recall[known])[0]
        mean = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
        yield Chart("client", "Recall", "ratio", "Mean against the exact answer.", (Line("recall", mean),))


def _quantiles(at: Floats, values: Floats, edges: Floats) -> tuple[Line, ...]:
    order = np.argsort(at, kind="stable")
    bounds = np.searchsorted(at[order], edges)
    lines = []
    for name, p in (("p50", 0.5), ("p99", 0.99)):
        line = np.full(len(edges) - 1, np.nan)
        for index in range(len(line)):
            part = values[order[bounds[index] : bounds[index + 1]]]
            if len(part):
                line[index] = np.quantile(part, p, method="inverted_cdf")
        lines.append(Line(name, line))
    return tuple(lines)
