"""Keep-lists: of targets that tell far more than anyone asks, the names worth a place in the recording.

A name that a rule, a chart or the coverage asks for is never left out (tests/prometheus/test_keep.py). Left out are
constants, times of creation, and histograms of what the load knows better: sizes of prompts, parameters of requests.
For `Scrape.keep`; a recipe gives such an expression to a `command` service as `metrics_keep`.
"""

import re

_PROCESS = "process_(cpu_seconds_total|resident_memory_bytes|start_time_seconds|open_fds)"


def _any(*parts: str) -> str:
    return "|".join((*parts, _PROCESS))


def _histograms(*names: str) -> str:
    return f"({'|'.join(names)})_(bucket|sum|count)"


VLLM = _any(
    "vllm:(num_requests_.*|kv_cache_usage_perc|gpu_cache_usage_perc|cpu_cache_usage_perc|cache_config_info)",
    "vllm:.*(prefix_cache|tokens|preemptions|request_success|rejections|spec_decode.*)_?.*_total",
    "vllm:request_success_total",
    "vllm:"
    + _histograms(
        *("time_to_first_token_seconds", "inter_token_latency_seconds", "time_per_output_token_seconds"),
        *("e2e_request_latency_seconds", "request_queue_time_seconds", "request_prefill_time_seconds"),
        *("request_decode_time_seconds", "request_inference_time_seconds", "iteration_tokens_total"),
        "request_time_per_output_token_seconds",
    ),
)

MILVUS = _any(
    "milvus_proxy_(req_count|queue_task_num|rate_limit_req_count|connection_num)",
    "milvus_proxy_(search_vectors_count|insert_vectors_count|receive_bytes_count|send_bytes_count)",
    _histograms(
        *("milvus_proxy_sq_latency", "milvus_proxy_mutation_latency", "milvus_proxy_req_latency"),
        *("milvus_querynode_sq_req_latency", "milvus_querynode_sq_queue_latency", "milvus_querynode_sq_core_latency"),
    ),
    "milvus_querynode_(entity_num|segment_num|read_task_(unsolved|ready)_len)",
    "milvus_(build_info|num_node)",
)

WEAVIATE = _any(
    "requests_total|concurrent_queries_count|object_count|vector_index_size|weaviate_build_info",
    _histograms("queries_durations_ms", "batch_durations_ms", "objects_durations_ms"),
)

QDRANT = _any(
    "(rest|grpc)_responses_total",
    _histograms("(rest|grpc)_responses_duration_seconds"),
    "app_info|collections_.*|collection_points|collection_vectors|memory_.*_bytes",
)

MINIO = _any(
    # The distribution of the time to the first byte has some 30 names of calls, 15 bounds each: the load knows better.
    "minio_api_requests_(total|errors_total|4xx_errors_total|5xx_errors_total|canceled_total)",
    "minio_api_requests_(inflight_total|waiting_total|incoming_total)",
    "minio_api_requests_traffic_(sent|received)_bytes",
)

POSTGRES = _any(
    # Of some 330 settings those that a benchmark turns on.
    "pg_settings_(max_connections|shared_buffers_bytes|work_mem_bytes|maintenance_work_mem_bytes|max_wal_size_bytes)",
    "pg_settings_(effective_cache_size_bytes|max_parallel_workers.*|checkpoint_timeout_seconds|jit)",
    "pg_(up|static|exporter_.*|scrape_.*|database_.*|locks_.*|stat_.*|statio_.*|replication_.*|wal_.*|process_.*)",
    "pg_(long_running_transactions.*|postmaster_.*)",
    "postgres_exporter_build_info",
)

LISTS = {
    "vllm": VLLM,
    "milvus": MILVUS,
    "weaviate": WEAVIATE,
    "qdrant": QDRANT,
    "minio": MINIO,
    "postgres": POSTGRES,
}
"""By source, as the rules call it (`prometheus.rules`)."""


def keeps(pattern: str, name: str) -> bool:
    """Tell whether a keep-list keeps a metric, as Prometheus decides: the expression is anchored."""
    return re.fullmatch(pattern, name) is not None
