"""The recorder itself: what watching costs, and how well it watches."""

from grafana.board import Board
from grafana.layout import Section
from grafana.needs import exporters
from grafana.palette import BAD, BLUE, GOOD, GREEN, WARNING
from grafana.panels import stat, state_timeline, table, timeseries
from grafana.queries import Query

_OURS = 'service=~"prometheus|grafana|.*exporter.*"'
_OWN = exporters("cgroup", "process", "gpu", "lustre", "otlp", "page")

BOARD = Board(
    name="recorder",
    title="Recorder",
    description="What watching costs, and whether all that should be watched was: targets, gaps, collectors, samples.",
    sections=[
        Section(
            "At a glance",
            [
                stat(
                    "Targets up",
                    "Which share of the targets answers now?",
                    "percentunit",
                    Query("up", "avg(up{RUN})"),
                    whole="mean",
                    base=BAD,
                    steps=[(0.9, WARNING), (1, GOOD)],
                    width=6,
                ),
                stat(
                    "Cost in cores",
                    "How many cores do Prometheus and the sidecars use, in all nodes?",
                    "suffix: cores",
                    Query("cores", f"sum(rate(process_tree_cpu_seconds_total{{NODE,{_OURS}}}[RATE]))"),
                    whole="mean",
                    needs=exporters("process"),
                    width=6,
                ),
                stat(
                    "Cost in memory",
                    "How much memory do Prometheus and the sidecars hold, in all nodes?",
                    "bytes",
                    Query("memory", f"sum(process_tree_resident_memory_bytes{{NODE,{_OURS}}})"),
                    whole="max",
                    needs=exporters("process"),
                    width=6,
                ),
                stat(
                    "Samples",
                    "How many samples a scrape are recorded, over all targets?",
                    "short",
                    Query("samples", "sum(scrape_samples_post_metric_relabeling{RUN})"),
                    whole="max",
                    width=6,
                ),
            ],
        ),
        Section(
            "Targets",
            [
                state_timeline(
                    "Up",
                    "When did each target answer? What was down is a gap on all other dashboards.",
                    "none",
                    Query("{{job}} {{node}}", "min by (job, node) (up{NODE})"),
                    states={"0": ("down", BAD), "1": ("up", GREEN)},
                    height=8,
                ),
                table(
                    "Targets of the run",
                    "How well was each target watched in the time that is shown?",
                    "percentunit",
                    Query("Up", "avg_over_time(up{NODE}[$__range])"),
                    Query("Slowest scrape", "max_over_time(scrape_duration_seconds{NODE}[$__range])"),
                    Query("Samples a scrape", "max_over_time(scrape_samples_scraped{NODE}[$__range])"),
                    labels=["job", "node", "role", "instance"],
                    columns=[("Slowest scrape", "s"), ("Samples a scrape", "short")],
                    sort="Slowest scrape",
                    height=7,
                ),
                timeseries(
                    "Time of a scrape",
                    "How long does each target take to answer? At the interval, a scrape is lost.",
                    "s",
                    Query("{{job}} {{node}}", "max by (job, node) (scrape_duration_seconds{NODE})"),
                    width=12,
                ),
                timeseries(
                    "Samples of a scrape",
                    "How many samples does each target give? One that grows has labels without end.",
                    "short",
                    Query("{{job}} {{node}}", "max by (job, node) (scrape_samples_scraped{NODE})"),
                    width=12,
                ),
            ],
        ),
        Section(
            "Cost",
            [
                timeseries(
                    "CPU of the recorder",
                    "Which part of the recorder uses how much CPU?",
                    "suffix: cores",
                    Query(
                        "{{service}}", f"sum by (service) (rate(process_tree_cpu_seconds_total{{NODE,{_OURS}}}[RATE]))"
                    ),
                    stacked=True,
                ),
                timeseries(
                    "Memory of the recorder",
                    "Which part of the recorder holds how much memory?",
                    "bytes",
                    Query("{{service}}", f"sum by (service) (process_tree_resident_memory_bytes{{NODE,{_OURS}}})"),
                    stacked=True,
                ),
                timeseries(
                    "Bytes written by Prometheus",
                    "How fast does the recording grow on the head's disk?",
                    "binBps",
                    Query(
                        "written", 'sum(rate(process_tree_write_chars_total{NODE,service="prometheus"}[RATE]))', BLUE
                    ),
                ),
            ],
            needs=exporters("process"),
        ),
        Section(
            "Collectors of the sidecars",
            [
                state_timeline(
                    "Collectors that told",
                    "When did each collector succeed?",
                    "none",
                    Query("{{collector}} {{node}}", "min by (collector, node) (exporter_collector_success{NODE})"),
                    states={"0": ("failed", BAD), "1": ("told", GREEN)},
                    height=7,
                ),
                timeseries(
                    "Time of a collector",
                    "Which collector takes how long?",
                    "s",
                    Query(
                        "{{collector}} {{node}}",
                        "max by (collector, node) (exporter_collector_duration_seconds{NODE})",
                    ),
                ),
                timeseries(
                    "Time-outs, errors, lines not understood",
                    "What went wrong in collectors?",
                    "cps",
                    Query("time-outs", "sum(rate(exporter_collector_timeouts_total{NODE}[RATE]))", WARNING),
                    Query("errors", "sum(rate(exporter_collector_errors_total{NODE}[RATE]))", BAD),
                    Query("lines not understood", "sum(rate(exporter_parse_errors_total{NODE}[RATE]))", BLUE),
                ),
                timeseries(
                    "CPU of our sidecars, by their own count",
                    "What does the sidecar itself use on each node?",
                    "suffix: cores",
                    Query("{{node}}", "sum by (node) (rate(exporter_process_cpu_seconds_total{NODE}[RATE]))"),
                ),
            ],
            needs=_OWN,
        ),
        Section(
            "Traces",
            [
                timeseries(
                    "Spans",
                    "How many spans a second do services and load send?",
                    "cps",
                    Query("{{node}}", "sum by (node) (rate(otlp_spans_total{NODE}[RATE]))"),
                    width=12,
                ),
                timeseries(
                    "Bytes of traces",
                    "How much do the recorded traces take?",
                    "bytes",
                    Query("{{node}}", "sum by (node) (otlp_traces_bytes{NODE})"),
                    width=12,
                ),
            ],
            needs=exporters("otlp"),
        ),
    ],
)
