"""Where a metric comes from, by its name; `prometheus.reasons` says from it why a run has none.

The table goes by prefixes; the longest that fits decides. It knows what this project starts and what it is likely to be
asked for by other people's dashboards, and says nothing of the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

What = Literal["service", "sidecar", "load", "prometheus", "rule", "elsewhere"]


@dataclass(frozen=True)
class Origin:
    """What brings a metric: one of the service kinds, sidecars or load generators `names`; any where there are none.

    `title` is how a reader knows it; `needs` of a rule are prefixes of what it is made from.
    """

    what: What
    title: str
    names: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def _service(title: str, *names: str) -> Origin:
    return Origin("service", title, names)


def _sidecar(title: str, name: str) -> Origin:
    return Origin("sidecar", title, (name,))


def _load(title: str, *names: str) -> Origin:
    return Origin("load", title, names)


def _rule(title: str, *needs: str) -> Origin:
    return Origin("rule", title, needs=needs)


_TOKENS = ("openai", "rag", "embeddings")
_STREAMED = ("openai", "rag")

ORIGINS: Mapping[str, Origin] = {
    "llamacpp:": _service("llama.cpp", "llamacpp", "embeddings"),
    "vllm:": _service("vLLM", "vllm"),
    "nv_": _service("Triton", "triton"),
    "pg_": _service("PostgreSQL, by postgres_exporter", "pgvector", "postgres"),
    "postgres_exporter_": _service("PostgreSQL, by postgres_exporter", "pgvector", "postgres"),
    "SeaweedFS_": _service("SeaweedFS", "seaweedfs"),
    "chroma_": _service("Chroma", "chroma"),
    **{f"collection_{call}_total": _service("Chroma, over OTLP", "chroma") for call in ("add", "count", "query")},
    "faiss_": _service("Faiss", "faiss"),
    "milvus_": _service("Milvus", "milvus"),
    "weaviate_": _service("Weaviate", "weaviate"),
    "concurrent_queries_count": _service("Weaviate", "weaviate"),
    "object_count": _service("Weaviate", "weaviate"),
    "queries_durations_ms": _service("Weaviate", "weaviate"),
    "qdrant_": _service("Qdrant", "qdrant"),
    "collection": _service("Qdrant", "qdrant"),
    "rest_responses_": _service("Qdrant", "qdrant"),
    "grpc_responses_": _service("Qdrant", "qdrant"),
    "minio_": _service("MinIO", "minio"),
    "sglang:": _service("SGLang", "sglang"),
    "tgi_": _service("Text Generation Inference", "tgi"),
    "node_": _sidecar("node_exporter", "node"),
    "cgroup_": _sidecar("the exporter cgroup", "cgroup"),
    "process_tree_": _sidecar("the exporter process", "process"),
    "gpu_": _sidecar("the exporter gpu", "gpu"),
    "lustre_": _sidecar("the exporter lustre", "lustre"),
    "otlp_": _sidecar("the exporter otlp", "otlp"),
    "page_": _sidecar("the exporter page", "page"),
    "exporter_": Origin("sidecar", "our exporter"),
    "load_": _load("the load"),
    "load_files_": _load("fio", "files"),
    "load_operations": _load("a load of several kinds of request", "sql", "s3", "files", "k6", "command"),
    "load_stage_": _load("the load rag", "rag"),
    "load_tokens": _load("a load of tokens", *_TOKENS),
    "load_time_to_first_token_": _load("a load of streamed answers", *_STREAMED),
    "load_inter_token_": _load("a load of streamed answers", *_STREAMED),
    "load_recall": _load("a load of nearest neighbours", "vector", "rag"),
    "k6_": _load("k6", "k6"),
    "run_phase": _load("the load"),
    "up": Origin("prometheus", "Prometheus itself"),
    "scrape_": Origin("prometheus", "Prometheus itself"),
    "ALERTS": Origin("prometheus", "Prometheus's alert rules"),
    "service:": _rule("the service's own counters"),
    "service:tokens_rate": _rule("a service that counts tokens"),
    "service:ttft_seconds": _rule("a service that streams tokens"),
    "service:inter_token_seconds": _rule("a service that streams tokens"),
    "load:": _rule("the load", "load_"),
    "load:ttft_seconds": _rule("the load", "load_time_to_first_token_"),
    "load:tokens_rate": _rule("the load", "load_tokens"),
    "node:": _rule("node_exporter", "node_"),
    "gpu:": _rule("the exporter gpu", "gpu_"),
    "lustre:": _rule("the exporter lustre", "lustre_"),
    "DCGM_FI_": Origin("elsewhere", "dcgm-exporter's own names; here its values are recorded as gpu_*"),
    "nvidia_smi_": Origin("elsewhere", "another exporter's names; here GPUs are recorded as gpu_*"),
    "container_": Origin("elsewhere", "cAdvisor, which no run starts; here cgroups are recorded as cgroup_*"),
    "kube_": Origin("elsewhere", "kube-state-metrics of Kubernetes, and a run has no Kubernetes"),
    "kubelet_": Origin("elsewhere", "Kubernetes, and a run has none"),
    "slurm_": Origin("elsewhere", "a Slurm exporter of the site, which no run starts"),
    "windows_": Origin("elsewhere", "an exporter of Windows"),
    "probe_": Origin("elsewhere", "blackbox_exporter, which no run starts"),
    "prometheus_": Origin("elsewhere", "Prometheus about itself: a run's Prometheus is watched as a process"),
    "loki_": Origin("elsewhere", "Loki, which no run starts"),
}
"""Prefixes of names, or whole names."""
RULED = tuple(prefix for prefix, one in ORIGINS.items() if one.what == "rule")
"""Prefixes of what the recording rules make."""


def origin(metric: str) -> Origin | None:
    """Return what brings a metric, None where the table does not know."""
    fits = [prefix for prefix in ORIGINS if metric == prefix or (metric.startswith(prefix) and prefix != "up")]
    return ORIGINS[max(fits, key=len)] if fits else None
