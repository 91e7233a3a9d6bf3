"""The one screen to watch: is the load applied, does the service keep up, and what is it short of?"""

from grafana.board import Board
from grafana.common import client_latency
from grafana.layout import Section
from grafana.needs import exporters, kinds
from grafana.palette import ASKED, BAD, BLUE, CLIENT, DIRECTIONS, GOOD, ORANGE, P50, P95, PURPLE, SERVICE, WARNING
from grafana.panels import stat, state_timeline, timeseries
from grafana.queries import Query

_TOKENS = kinds("llamacpp", "vllm", "openai")
_SHARE = [(0.8, WARNING), (0.95, BAD)]

BOARD = Board(
    name="overview",
    title="Overview",
    description="One run on one screen: its phases, the load against the service, the machines, the alerts.",
    sections=[
        Section(
            "",
            [
                state_timeline(
                    "Phases",
                    "In which phase is the load? Only measured phases count for the verdict.",
                    "none",
                    Query("{{phase}}", "max by (phase) (run_phase{RUN}) == 1"),
                    states={"1": ("in this phase", BLUE)},
                    height=5,
                ),
                stat(
                    "Requests ended",
                    "How many requests a second does the service end, by the client's count?",
                    "reqps",
                    Query("ended", "sum(load:request_rate{RUN})"),
                    whole="mean",
                    base=CLIENT,
                ),
                stat(
                    "Failed",
                    "Which share of the requests fails?",
                    "percentunit",
                    Query("failed", "max(load:error_ratio{RUN})"),
                    whole="mean",
                    steps=[(0.001, WARNING), (0.01, BAD)],
                    base=GOOD,
                ),
                stat(
                    "Latency, p99",
                    "How long does the slowest request of a hundred take, from its intended time?",
                    "s",
                    Query("p99", "max(load:latency_seconds:p99{RUN})"),
                    whole="max",
                    base=CLIENT,
                ),
                stat(
                    "In flight",
                    "How many requests are open? An open-loop load that grows without end is past saturation.",
                    "short",
                    Query("in flight", "sum(load:in_flight{RUN})"),
                    whole="max",
                    base=CLIENT,
                ),
                stat(
                    "Busiest node",
                    "How busy are the cores of the busiest node?",
                    "percentunit",
                    Query("busy", "max(node:cpu_busy_ratio{NODE})"),
                    whole="mean",
                    steps=_SHARE,
                    needs=exporters("node"),
                ),
                stat(
                    "Alerts",
                    "How many alerts are firing now?",
                    "short",
                    Query("firing", 'count(ALERTS{alertstate="firing",run_id=~"$run|"}) or vector(0)'),
                    whole="max",
                    everywhere=True,
                    steps=[(1, BAD)],
                    base=GOOD,
                ),
            ],
        ),
        Section(
            "Load and service",
            [
                timeseries(
                    "Throughput",
                    "Is the load applied as asked, and does the service count as many requests as the client?",
                    "reqps",
                    Query("asked", "sum(load:rate_asked{RUN})", ASKED, dashed=True),
                    Query("ended, by the client", "sum(load:request_rate{RUN})", CLIENT),
                    Query("ended, by {{job}}", "sum by (job) (service:request_rate{NODE})", SERVICE),
                ),
                client_latency(
                    "Latency of the client",
                    "How long do requests take from their intended time, waits in the client and in queues included?",
                ),
                timeseries(
                    "Client against service",
                    "Does the server see the latency that the client sees? The gap is network, queues before the "
                    "server, and the client itself.",
                    "s",
                    Query("client p50", "max(load:latency_seconds:p50{RUN})", CLIENT),
                    Query("{{job}} p50", "max by (job) (service:latency_seconds:p50{NODE})", SERVICE),
                    Query("{{job}} mean", "max by (job) (service:latency_seconds:mean{NODE})", PURPLE),
                    table=True,
                ),
                timeseries(
                    "Time to first token",
                    "How long does a reader wait for the first word, by the client's and by the server's measure?",
                    "s",
                    Query("client p50", "max(load:ttft_seconds:p50{RUN})", P50),
                    Query("client p95", "max(load:ttft_seconds:p95{RUN})", P95),
                    Query("{{job}} p95", "max by (job) (service:ttft_seconds:p95{NODE})", SERVICE),
                    needs=_TOKENS,
                    table=True,
                ),
                timeseries(
                    "Tokens",
                    "How many tokens a second go in and come out, by the server's count?",
                    "suffix: tok/s",
                    Query("{{direction}}", "sum by (direction) (service:tokens_rate{NODE})"),
                    colors=DIRECTIONS,
                    needs=_TOKENS,
                ),
                timeseries(
                    "Failures",
                    "Which share of the requests fails, by the client's and by the server's count?",
                    "percentunit",
                    Query("client", "max(load:error_ratio{RUN})", CLIENT),
                    Query("{{job}}", "max by (job) (service:error_ratio{NODE})", SERVICE),
                ),
                timeseries(
                    "Queue",
                    "Does work pile up? In flight counts at the client; running and waiting at the server.",
                    "short",
                    Query("in flight, client", "sum(load:in_flight{RUN})", CLIENT),
                    Query("running, {{job}}", "sum by (job) (service:running_requests{NODE})", SERVICE),
                    Query("waiting, {{job}}", "sum by (job) (service:queue_depth{NODE})", BAD),
                ),
                timeseries(
                    "Saturation of the service",
                    "How full is what the service runs out of first: the KV cache, or the connections?",
                    "percentunit",
                    Query("{{job}}", "max by (job, node) (service:saturation_ratio{NODE})"),
                    most=1,
                    steps=[(0.9, BAD)],
                    needs=kinds("vllm", "openai", "pgvector", "postgres"),
                ),
                timeseries(
                    "Bytes of the service",
                    "How many bytes a second does the service take in and give out, by its own count?",
                    "binBps",
                    Query("{{job}} {{direction}}", "sum by (job, direction) (service:bytes_rate{NODE})"),
                    needs=kinds("seaweedfs", "minio", "s3"),
                ),
            ],
        ),
        Section(
            "Machines",
            [
                timeseries(
                    "CPU",
                    "How busy are all cores of each node? It is the whole node, other people's jobs included.",
                    "percentunit",
                    Query("{{node}}", "max by (node) (node:cpu_busy_ratio{NODE})"),
                    most=1,
                    steps=[(0.95, BAD)],
                    width=6,
                ),
                timeseries(
                    "Memory",
                    "How much of the memory of each node is in use (all but what is available)?",
                    "percentunit",
                    Query("{{node}}", "max by (node) (node:memory_used_ratio{NODE})"),
                    most=1,
                    steps=[(0.95, BAD)],
                    width=6,
                ),
                timeseries(
                    "Network",
                    "How many bytes a second pass the nodes' interfaces (loopback left out)?",
                    "binBps",
                    Query("{{node}} {{direction}}", "sum by (node, direction) (node:network_bytes_rate{NODE})"),
                    width=6,
                ),
                timeseries(
                    "Disks",
                    "How many bytes a second pass the nodes' own block devices?",
                    "binBps",
                    Query("{{node}} {{direction}}", "sum by (node, direction) (node:disk_bytes_rate{NODE})"),
                    width=6,
                ),
            ],
            needs=exporters("node"),
        ),
        Section(
            "GPUs",
            [
                timeseries(
                    "GPU busy",
                    "In which share of the time did any kernel run? A GPU that is held and idle is paid for nothing.",
                    "percentunit",
                    Query("{{node}} {{gpu}}", "max by (node, gpu) (gpu:utilization_ratio{NODE})"),
                    most=1,
                ),
                timeseries(
                    "GPU memory",
                    "How full is each GPU's memory?",
                    "percentunit",
                    Query("{{node}} {{gpu}}", "max by (node, gpu) (gpu:memory_used_ratio{NODE})"),
                    most=1,
                    steps=[(0.95, ORANGE)],
                ),
                timeseries(
                    "GPU power",
                    "How much power does each GPU draw?",
                    "watt",
                    Query("{{node}} {{gpu}}", "max by (node, gpu) (gpu:power_watts{NODE})"),
                ),
            ],
            needs=exporters("gpu"),
        ),
        Section(
            "Lustre",
            [
                timeseries(
                    "Lustre bytes",
                    "How many bytes a second do the nodes' programs read from and write to each file system?",
                    "binBps",
                    Query("{{fs}} {{direction}}", "sum by (fs, direction) (lustre:bytes_rate{NODE})"),
                    width=12,
                ),
                timeseries(
                    "Lustre operations",
                    "How many file operations a second do the nodes ask of each file system?",
                    "ops",
                    Query("{{fs}}", "sum by (fs) (lustre:operations_rate{NODE})"),
                    width=12,
                ),
            ],
            needs=exporters("lustre"),
        ),
        Section(
            "Alerts",
            [
                state_timeline(
                    "Alerts over time",
                    "Which alerts were pending or firing, and when? An alert's rule says what it means.",
                    "none",
                    Query(
                        "{{alertname}}",
                        'max by (alertname) (ALERTS{alertstate="firing",run_id=~"$run|"} * 2'
                        ' or ALERTS{alertstate="pending",run_id=~"$run|"})',
                    ),
                    states={"1": ("pending", WARNING), "2": ("firing", BAD)},
                    missing="no alert was pending or firing",
                    height=6,
                ),
            ],
        ),
    ],
)
