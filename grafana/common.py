"""Panels that several dashboards show, under a title and a question of their own."""

from grafana.palette import LATENCIES
from grafana.panel import Panel
from grafana.panels import timeseries
from grafana.queries import QUANTILES, Query


def client_latency(title: str, description: str) -> Panel:
    """Draw the latency of the load's requests from their intended time: p50, p95 and p99."""
    names = [f"p{100 * quantile:g}" for quantile in QUANTILES]
    queries = [
        Query(name, f"max(load:latency_seconds:{name}{{RUN}})", color)
        for name, color in zip(names, LATENCIES, strict=True)
    ]
    return timeseries(title, description, "s", *queries, table=True)
