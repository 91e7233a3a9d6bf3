"""A vector database's page in the shape of Milvus's: histograms by node, query type, channel, collection."""

_BUCKETS = (*(str(2**power) for power in range(18)), "+Inf")
_HISTOGRAMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("milvus_proxy_sq_latency", ("query_type",)),
    ("milvus_proxy_mutation_latency", ("msg_type",)),
    ("milvus_proxy_req_latency", ("function_name",)),
    ("milvus_querynode_sq_queue_latency", ("query_type", "database_name", "resource_group")),
    ("milvus_querynode_sq_segment_latency", ("query_type", "segment_state")),
    ("milvus_querycoord_load_latency", ("collection_name",)),
    ("milvus_datanode_flush_req_latency", ("channel_name", "segment_level")),
    ("milvus_rootcoord_ddl_req_latency", ("function_name",)),
    ("milvus_storage_request_latency", ("persistent_data_op_type",)),
    ("milvus_msgstream_op_latency", ("message_op_type", "channel_name")),
)
_COUNTERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("milvus_proxy_req_count", ("function_name", "status")),
    ("milvus_proxy_search_vectors_count", ("collection_name", "db_name")),
    ("milvus_proxy_insert_vectors_count", ("collection_name", "db_name")),
    ("milvus_querynode_entity_num", ("collection_name", "channel_name", "segment_state")),
)
KEPT = (
    r"milvus_proxy_(sq_latency_(bucket|sum|count)|req_count|search_vectors_count|insert_vectors_count)"
    r"|milvus_querynode_sq_queue_latency_(bucket|sum|count)|go_goroutines|process_cpu_seconds_total"
)
"""A keep-list as a run would have: what a search took, how long it queued, what was asked and how it ended."""


def large_page(size: int, moment: int) -> bytes:
    """Return a page of at least `size` bytes, and little more; its values are those at a `moment`, 0 and up."""
    combinations = 1
    while len(page := _page(combinations, moment)) < size:
        combinations += 1
    return page


def _page(combinations: int, moment: int) -> bytes:
    lines: list[str] = []
    for name, labels in _HISTOGRAMS:
        lines += [f"# HELP {name} latency of {name.split('_', 2)[2]} in milliseconds", f"# TYPE {name} histogram"]
        for one in range(combinations):
            lines += _histogram(name, _labels(labels, one), one, moment)
    for name, labels in _COUNTERS:
        lines += [f"# HELP {name} count of {name.split('_', 2)[2]}", f"# TYPE {name} counter"]
        lines += [f"{name}{{{_labels(labels, one)}}} {1000 * one + 37 * moment}" for one in range(combinations)]
    lines += ["# TYPE go_goroutines gauge", f"go_goroutines {800 + moment}"]
    lines += ["# TYPE process_cpu_seconds_total counter", f"process_cpu_seconds_total {100.25 + moment}"]
    return "\n".join((*lines, "")).encode()


def _labels(names: tuple[str, ...], one: int) -> str:
    """Return a combination of label values, `node_id` first as Milvus has it on everything."""
    values = {
        "channel_name": f"by-dev-rootcoord-dml_{one}_44911738561329{one:04d}v0",
        "function_name": ("Search", "Query", "Insert", "Upsert", "Delete", "Flush", "HasCollection")[one % 7]
        + str(one // 7),
        "query_type": ("search", "query", "hybrid_search")[one % 3] + str(one // 3),
    }
    pairs = [f'{name}="{values.get(name, f"{name}_{one}")}"' for name in names]
    return ",".join(('node_id="7"', *pairs))


def _histogram(name: str, labels: str, one: int, moment: int) -> list[str]:
    counts = [(moment + 1) * (index + 1) * (one + 3) for index in range(len(_BUCKETS))]
    return [
        *(f'{name}_bucket{{{labels},le="{le}"}} {count}' for le, count in zip(_BUCKETS, counts, strict=True)),
        f"{name}_sum{{{labels}}} {counts[-1] * 12.625}",
        f"{name}_count{{{labels}}} {counts[-1]}",
    ]
