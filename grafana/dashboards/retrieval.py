"""Vector stores: pgvector, Chroma, Faiss, Qdrant, Milvus, Weaviate."""

from grafana.board import Board
from grafana.common import client_latency
from grafana.layout import Section
from grafana.needs import Needs, generators, kinds
from grafana.palette import BAD, BLUE, CLIENT, GREEN, LATENCIES, ORANGE, SERVICE
from grafana.panels import stat, text, timeseries
from grafana.queries import Query, quantiles, ratio


def _milliseconds(name: str, by: str, more: str = "") -> Query:
    """Return the p95 of a histogram of milliseconds, in seconds."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    rate = f"sum by (le, {by}) (rate({name}_bucket{{NODE{more}}}[RATE]))"
    return Query(legend, f"histogram_quantile(0.95, {rate}) / 1000")


_FOUND = ratio("sum(rate(load_recall_sum{RUN}[RATE]))", "sum(rate(load_recall_count{RUN}[RATE]))")

BOARD = Board(
    name="retrieval",
    title="Retrieval",
    description="Vector stores: what was found and how fast, and what each store says of itself.",
    # PostgreSQL is one of them only where vectors are searched.
    needs=Needs(
        kinds=frozenset({"chroma", "faiss", "qdrant", "milvus", "weaviate"}), generators=frozenset({"vector", "rag"})
    ),
    sections=[
        Section(
            "Searches, by the client",
            [
                timeseries(
                    "Recall",
                    "How much of the exact answer was found? Speed without it says nothing.",
                    "percentunit",
                    Query("mean", _FOUND, GREEN),
                    most=1,
                ),
                client_latency(
                    "Latency of searches",
                    "How long do searches take from their intended time?",
                ),
                timeseries(
                    "Searches",
                    "How many searches a second end, by the client's and by the store's count?",
                    "reqps",
                    Query("client", "sum(load:request_rate{RUN})", CLIENT),
                    Query("{{job}}", "sum by (job) (service:request_rate{NODE})", SERVICE),
                ),
            ],
            needs=generators("vector"),
        ),
        Section(
            "pgvector",
            [
                timeseries(
                    "Rows",
                    "How many rows does PostgreSQL touch for the searches? An index touches few, a scan all.",
                    "suffix: rows/s",
                    Query("read by scans", "sum(rate(pg_stat_database_tup_returned{NODE}[RATE]))", ORANGE),
                    Query("fetched by indexes", "sum(rate(pg_stat_database_tup_fetched{NODE}[RATE]))", BLUE),
                ),
                timeseries(
                    "Blocks",
                    "Is the index in shared buffers? What is read comes from the page cache or the disk.",
                    "suffix: blocks/s",
                    Query("found", "sum(rate(pg_stat_database_blks_hit{NODE}[RATE]))", GREEN),
                    Query("read", "sum(rate(pg_stat_database_blks_read{NODE}[RATE]))", BAD),
                    stacked=True,
                ),
                timeseries(
                    "Size of the database",
                    "How large are the vectors with their index?",
                    "bytes",
                    Query("{{datname}}", 'max by (datname) (pg_database_size_bytes{NODE,datname!~"template.*"})'),
                ),
            ],
            needs=kinds("pgvector"),
        ),
        Section(
            "Chroma",
            [
                timeseries(
                    "Calls of Chroma",
                    "What is asked of the collections, by Chroma's own count over OTLP?",
                    "reqps",
                    *(
                        Query(call, f"sum(rate(collection_{call}_total{{NODE}}[RATE]))")
                        for call in ("query", "add", "count")
                    ),
                ),
                text(
                    "Chroma's own times",
                    "Why is there no latency from within Chroma?",
                    "Chroma has no page of metrics, and over OTLP it counts calls but tells no time of one. Its spans "
                    "do, in the recording's `traces/`, where the recipe has the exporter `otlp`. Its CPU, memory and "
                    "I/O are on the dashboard *Node*.",
                ),
            ],
            needs=kinds("chroma"),
        ),
        Section(
            "Faiss",
            [
                timeseries(
                    "Time in Faiss",
                    "How long does the search itself take?",
                    "s",
                    *quantiles("faiss_search_seconds", LATENCIES),
                    table=True,
                ),
                timeseries(
                    "Wait for a thread",
                    "How long does a search wait until one of the server's threads takes it?",
                    "s",
                    *quantiles("faiss_wait_seconds", LATENCIES),
                    table=True,
                ),
                timeseries(
                    "Requests by code",
                    "What is asked, and how does it end?",
                    "reqps",
                    Query(
                        "{{operation}} {{code}}", "sum by (operation, code) (rate(faiss_requests_total{NODE}[RATE]))"
                    ),
                ),
                timeseries(
                    "Open requests",
                    "How many requests are worked on or wait?",
                    "short",
                    Query("open", "sum(faiss_requests_in_flight{NODE})", SERVICE),
                ),
                stat(
                    "Vectors",
                    "How many vectors does the server hold?",
                    "short",
                    Query("vectors", "sum(faiss_vectors{NODE})"),
                    width=8,
                    height=8,
                ),
                stat(
                    "Time to build the index",
                    "How long did the last index take to build?",
                    "s",
                    Query("build", "max(faiss_build_seconds{NODE})"),
                    width=8,
                    height=8,
                ),
            ],
            needs=kinds("faiss"),
        ),
        Section(
            "Qdrant",
            [
                timeseries(
                    "Answers of Qdrant",
                    "How many requests a second does it answer, by code? REST and gRPC.",
                    "reqps",
                    Query("REST {{status}}", "sum by (status) (rate(rest_responses_total{NODE}[RATE]))"),
                    Query("gRPC {{status}}", "sum by (status) (rate(grpc_responses_total{NODE}[RATE]))"),
                ),
                timeseries(
                    "Latency of Qdrant, p95",
                    "How long does each endpoint take, by the server?",
                    "s",
                    Query(
                        "{{endpoint}}",
                        "histogram_quantile(0.95, sum by (le, endpoint)"
                        " (rate(rest_responses_duration_seconds_bucket{NODE}[RATE])))",
                    ),
                ),
                timeseries(
                    "Vectors of Qdrant",
                    "How many vectors do its collections hold?",
                    "short",
                    Query("vectors", "sum(collection_vectors{NODE}) or sum(collections_vector_total{NODE})", SERVICE),
                ),
            ],
            needs=kinds("qdrant"),
        ),
        Section(
            "Milvus",
            [
                timeseries(
                    "Latency of Milvus, p95",
                    "How long do the proxies take for searches and queries? Milvus counts in milliseconds.",
                    "s",
                    _milliseconds("milvus_proxy_sq_latency", "query_type"),
                ),
                timeseries(
                    "Queue of the query nodes, p95",
                    "How long does a search wait in a query node?",
                    "s",
                    _milliseconds("milvus_querynode_sq_queue_latency", "query_type"),
                ),
                timeseries(
                    "Vectors searched",
                    "How many vectors a second are searched for?",
                    "suffix: vectors/s",
                    Query("searched", "sum(rate(milvus_proxy_search_vectors_count{NODE}[RATE]))", BLUE),
                ),
            ],
            needs=kinds("milvus"),
        ),
        Section(
            "Weaviate",
            [
                timeseries(
                    "Latency of Weaviate, p95",
                    "How long do queries take? Weaviate counts in milliseconds.",
                    "s",
                    _milliseconds("queries_durations_ms", "query_type"),
                ),
                timeseries(
                    "Objects of Weaviate",
                    "How many objects do its shards hold?",
                    "short",
                    Query("{{class_name}}", "sum by (class_name) (object_count{NODE})"),
                ),
                timeseries(
                    "Queries at once",
                    "How many queries run at the same time?",
                    "short",
                    Query("{{class_name}}", "sum by (class_name) (concurrent_queries_count{NODE})"),
                ),
            ],
            needs=kinds("weaviate"),
        ),
    ],
)
