"""Lustre, as a client of it: what this node's programs ask, what goes to the servers, and how long that takes."""

from grafana.board import Board
from grafana.layout import Section
from grafana.needs import exporters
from grafana.palette import BAD, WARNING
from grafana.panels import bar_gauge, table, timeseries
from grafana.queries import Query

BOARD = Board(
    name="lustre",
    title="Lustre",
    description="A client's view of Lustre: calls of programs, RPCs to servers, caches, room. Whole nodes, not jobs.",
    needs=exporters("lustre"),
    sections=[
        Section(
            "Calls of programs",
            [
                timeseries(
                    "Bytes",
                    "How fast do programs read and write, page cache included?",
                    "binBps",
                    Query("{{node}} {{fs}} {{direction}}", "sum by (node, fs, direction) (lustre:bytes_rate{NODE})"),
                ),
                timeseries(
                    "Size of a call",
                    "How much does one call of read or write move? Small calls are what Lustre is slow at.",
                    "bytes",
                    Query(
                        "{{fs}} read",
                        "sum by (fs) (rate(lustre_client_read_bytes_total{NODE}[RATE]))"
                        " / (sum by (fs) (rate(lustre_client_read_calls_total{NODE}[RATE])) > 0)",
                    ),
                    Query(
                        "{{fs}} write",
                        "sum by (fs) (rate(lustre_client_write_bytes_total{NODE}[RATE]))"
                        " / (sum by (fs) (rate(lustre_client_write_calls_total{NODE}[RATE])) > 0)",
                    ),
                ),
                timeseries(
                    "Operations",
                    "Which file operations are asked, and how often?",
                    "ops",
                    Query(
                        "{{fs}} {{operation}}",
                        "sum by (fs, operation) (rate(lustre_client_operations_total{NODE}[RATE])) > 0",
                    ),
                ),
                timeseries(
                    "Time of an operation",
                    "How long does each kind take, on average? Told by Lustre 2.14 and newer.",
                    "s",
                    Query(
                        "{{fs}} {{operation}}",
                        "sum by (fs, operation) (rate(lustre_client_operation_seconds_total{NODE}[RATE]))"
                        " / (sum by (fs, operation) (rate(lustre_client_operations_total{NODE}[RATE])) > 0)",
                    ),
                    width=12,
                ),
                timeseries(
                    "Read-ahead",
                    "Is what is read already there? A miss waits for a server.",
                    "suffix: pages/s",
                    Query(
                        "{{fs}} {{event}}", "sum by (fs, event) (rate(lustre_client_read_ahead_total{NODE}[RATE])) > 0"
                    ),
                    width=12,
                ),
            ],
        ),
        Section(
            "Servers",
            [
                timeseries(
                    "Wait for object servers",
                    "How long does a request wait for each target, on average? One far above the others is slow.",
                    "s",
                    Query(
                        "{{fs}} {{target}}",
                        "sum by (fs, target) (rate(lustre_osc_request_wait_seconds_total{NODE}[RATE]))"
                        " / (sum by (fs, target) (rate(lustre_osc_requests_total{NODE}[RATE])) > 0)",
                    ),
                ),
                timeseries(
                    "Wait for metadata servers",
                    "How long does a request for names wait, on average?",
                    "s",
                    Query(
                        "{{fs}} {{target}}",
                        "sum by (fs, target) (rate(lustre_mdc_request_wait_seconds_total{NODE}[RATE]))"
                        " / (sum by (fs, target) (rate(lustre_mdc_requests_total{NODE}[RATE])) > 0)",
                    ),
                ),
                timeseries(
                    "RPCs in flight",
                    "How many requests are under way? At the client's limit (8 by default) more work waits.",
                    "short",
                    Query("{{fs}} objects {{direction}}", "sum by (fs, direction) (lustre_osc_rpcs_in_flight{NODE})"),
                    Query("{{fs}} names {{direction}}", "sum by (fs, direction) (lustre_mdc_rpcs_in_flight{NODE})"),
                ),
                timeseries(
                    "Size of RPCs",
                    "How many requests a second have how many pages at most? Full ones are what makes Lustre fast.",
                    "reqps",
                    Query(
                        "{{direction}} {{pages}} pages",
                        "sum by (direction, pages) (rate(lustre_osc_rpcs_total{NODE}[RATE])) > 0",
                    ),
                    stacked=True,
                    width=12,
                ),
                timeseries(
                    "Written and not sent",
                    "How much waits in the client's cache to be sent, and how much do servers allow?",
                    "bytes",
                    Query("{{fs}} dirty", "sum by (fs) (lustre_osc_dirty_bytes{NODE})", BAD),
                    Query("{{fs}} granted", "sum by (fs) (lustre_osc_grant_bytes{NODE})", WARNING),
                    width=12,
                ),
            ],
        ),
        Section(
            "Room and state",
            [
                bar_gauge(
                    "Room in use",
                    "How full is each file system? Full ones are slow before they are full.",
                    "percentunit",
                    Query(
                        "{{fs}}",
                        "1 - max by (fs) (lustre_client_available_bytes{NODE})"
                        " / max by (fs) (lustre_client_capacity_bytes{NODE})",
                    ),
                    most=1,
                    steps=[(0.8, WARNING), (0.95, BAD)],
                ),
                table(
                    "Is it read?",
                    "On which nodes can the client's statistics be read, and if not, why?",
                    "short",
                    Query("Up", "max by (node, reason) (lustre_client_up{NODE})"),
                    labels=["node", "reason"],
                    width=8,
                    height=8,
                ),
                timeseries(
                    "Dropped by LNet",
                    "Does the network between client and servers lose messages?",
                    "cps",
                    Query("{{node}}", "sum by (node) (rate(lustre_lnet_drop_messages_total{NODE}[RATE]))", BAD),
                ),
            ],
        ),
    ],
)
