"""The load: is it what was asked for, and what did its requests meet?"""

from grafana.board import Board
from grafana.layout import Section
from grafana.needs import generators
from grafana.palette import ASKED, BAD, BLUE, CLIENT, DIRECTIONS, GOOD, GREEN, P50, P95, P99, SERVICE, SKY
from grafana.panels import heatmap, timeseries
from grafana.queries import Query, quantiles, ratio

_REQUESTS = generators("openai", "embeddings", "rag", "vector", "sql", "s3", "triton")
"""Loads that are ours and time each request."""
_TOKENS = generators("openai", "rag")
_LATENCIES = (P50, P95, P99)

BOARD = Board(
    name="load",
    title="Load",
    description="The client's side: rates, latencies from the intended time, answers, and the client's own fitness.",
    sections=[
        Section(
            "Rates",
            [
                timeseries(
                    "Asked, sent, ended",
                    "Did the load leave as scheduled? Sent below intended: the client is the bottleneck.",
                    "reqps",
                    Query("asked", "sum(load_rate_asked{RUN})", ASKED, dashed=True),
                    Query("intended", "sum(rate(load_requests_intended_total{RUN}[RATE]))", SKY),
                    Query("sent", "sum(rate(load_requests_sent_total{RUN}[RATE]))", CLIENT),
                    Query("ended", "sum(rate(load_requests_total{RUN}[RATE]))", GREEN),
                    table=True,
                ),
                timeseries(
                    "Outcome",
                    "How do requests end?",
                    "reqps",
                    Query("{{outcome}}", "sum by (outcome) (rate(load_requests_total{RUN}[RATE]))"),
                    colors={"ok": GOOD, "error": BAD},
                    stacked=True,
                ),
                timeseries(
                    "In flight and users",
                    "How many requests are open at once, and how many users does a closed loop keep busy?",
                    "short",
                    Query("in flight", "sum(load_requests_in_flight{RUN})", CLIENT),
                    Query("users", "sum(load_users{RUN}) > 0", ASKED, dashed=True),
                ),
                timeseries(
                    "Failures by kind",
                    "Why do requests fail?",
                    "reqps",
                    Query("{{kind}}", "sum by (kind) (rate(load_errors_total{RUN}[RATE]))"),
                    width=12,
                    height=7,
                ),
                timeseries(
                    "Kinds of request",
                    "How is the load mixed, as it is answered?",
                    "reqps",
                    Query(
                        "{{operation}} {{outcome}}",
                        "sum by (operation, outcome) (rate(load_operations_total{RUN}[RATE]))",
                    ),
                    width=12,
                    height=7,
                    needs=generators("sql", "s3", "vector"),
                ),
            ],
        ),
        Section(
            "Latency",
            [
                timeseries(
                    "From the intended time",
                    "How long did requests take, counted from when they were due? A stall of the client or the service "
                    "shows here. Good answers only; right to a third, by the histogram's buckets.",
                    "s",
                    *quantiles("load_request_duration_seconds", _LATENCIES, where="RUN"),
                    table=True,
                    width=12,
                ),
                timeseries(
                    "From the sending",
                    "How long did the service and the network take, without the client's delay?",
                    "s",
                    *quantiles("load_service_duration_seconds", _LATENCIES, where="RUN"),
                    table=True,
                    width=12,
                ),
                heatmap(
                    "Latency, spread",
                    "Is there one kind of request or several? Two bands are two kinds, a cloud above is a queue.",
                    "s",
                    "load_request_duration_seconds",
                    where="RUN",
                ),
                heatmap(
                    "Delay of the client, spread",
                    "How late did requests leave? It is part of the latency, and not the service's.",
                    "s",
                    "load_client_lag_seconds",
                    where="RUN",
                ),
                timeseries(
                    "Stages of a request",
                    "Where does the time of a chain go? Means of the requests that succeeded.",
                    "s",
                    Query(
                        "{{stage}}",
                        "sum by (stage) (rate(load_stage_duration_seconds_sum{RUN}[RATE]))"
                        " / (sum by (stage) (rate(load_stage_duration_seconds_count{RUN}[RATE])) > 0)",
                    ),
                    stacked=True,
                    width=24,
                    needs=generators("rag"),
                ),
            ],
            needs=_REQUESTS,
        ),
        Section(
            "Tokens",
            [
                timeseries(
                    "Time to first token",
                    "How long does a reader wait for the first word, from the intended time?",
                    "s",
                    *quantiles("load_time_to_first_token_seconds", _LATENCIES, where="RUN"),
                    table=True,
                ),
                timeseries(
                    "Between tokens",
                    "How evenly do words come? All gaps of all answers together, so that a stall is seen.",
                    "s",
                    *quantiles("load_inter_token_seconds", _LATENCIES, where="RUN"),
                    table=True,
                ),
                timeseries(
                    "Tokens",
                    "How many tokens a second go in and come out? Counted when an answer ends, as the server says.",
                    "suffix: tok/s",
                    Query("{{direction}}", "sum by (direction) (rate(load_tokens_total{RUN}[RATE]))"),
                    colors=DIRECTIONS,
                ),
                heatmap(
                    "Time to first token, spread",
                    "Do some requests wait for a slot? They make a band of their own.",
                    "s",
                    "load_time_to_first_token_seconds",
                    where="RUN",
                ),
                heatmap(
                    "Between tokens, spread",
                    "Does decoding slow down under load, or stall?",
                    "s",
                    "load_inter_token_seconds",
                    where="RUN",
                ),
            ],
            needs=_TOKENS,
        ),
        Section(
            "Answers",
            [
                timeseries(
                    "Recall",
                    "How much of the exact answer was found? The mean of the requests that ended.",
                    "percentunit",
                    Query(
                        "mean",
                        ratio("sum(rate(load_recall_sum{RUN}[RATE]))", "sum(rate(load_recall_count{RUN}[RATE]))"),
                        BLUE,
                    ),
                    most=1,
                    needs=generators("vector"),
                ),
                timeseries(
                    "Bytes",
                    "How many bytes a second does the client send and receive?",
                    "binBps",
                    Query("received", "sum(rate(load_received_bytes_total{RUN}[RATE]))", DIRECTIONS["received"]),
                    Query("sent", "sum(rate(load_sent_bytes_total{RUN}[RATE]))", DIRECTIONS["sent"]),
                ),
                timeseries(
                    "Repeated requests",
                    "How often had a kept connection been closed, so that a request was sent again?",
                    "reqps",
                    Query("repeated", "sum(rate(load_retries_total{RUN}[RATE]))", BAD),
                ),
            ],
            needs=_REQUESTS,
        ),
        Section(
            "The client itself",
            [
                timeseries(
                    "CPU of the load",
                    "Is a load process short of CPU? It has one event loop: at 1 core it measures itself.",
                    "suffix: cores",
                    Query("process {{shard}}", "sum by (shard) (rate(load_client_cpu_seconds_total{RUN}[RATE]))"),
                    steps=[(0.8, BAD)],
                ),
                timeseries(
                    "Event loop",
                    "For how long could the client not act, at most, in each second?",
                    "s",
                    Query("longest delay", "max(load_event_loop_lag_seconds{RUN})", CLIENT),
                ),
                timeseries(
                    "Delay of the client",
                    "How late do requests leave?",
                    "s",
                    *quantiles("load_client_lag_seconds", _LATENCIES, where="RUN"),
                    table=True,
                    needs=_REQUESTS,
                ),
                timeseries(
                    "Memory of the load",
                    "Does the client grow?",
                    "bytes",
                    Query("resident", "sum(load_process_resident_memory_bytes{RUN})", CLIENT),
                ),
            ],
        ),
        Section(
            "k6",
            [
                timeseries(
                    "Requests of k6",
                    "What does k6 itself count? A dropped iteration is load that was not applied.",
                    "reqps",
                    Query("ended", 'sum(rate(k6_http_reqs_total{run_id=~"$run|"}[RATE]))', CLIENT),
                    Query("dropped", 'sum(rate(k6_dropped_iterations_total{run_id=~"$run|"}[RATE]))', BAD),
                    width=12,
                ),
                timeseries(
                    "Users of k6",
                    "Are there virtual users to spare? An open-loop load with none left drops iterations.",
                    "short",
                    Query("at work", 'sum(k6_vus{run_id=~"$run|"})', SERVICE),
                    Query("all", 'sum(k6_vus_max{run_id=~"$run|"})', ASKED, dashed=True),
                    width=12,
                ),
            ],
            needs=generators("k6"),
        ),
    ],
)
