"""Where a metric comes from, by its name, and why a run has none of it.

The table goes by prefixes; the longest that fits decides. It knows what this project starts and what it is likely to be
asked for by other people's dashboards, and says nothing of the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from runs.recipe import Recipe

What = Literal["service", "sidecar", "load", "prometheus", "rule", "elsewhere"]


@dataclass(frozen=True)
class Origin:
    """What brings a metric: one of the service kinds, sidecars or load generators `names`; any where there are none.

    `title` is how a reader knows it; `needs` of a rule are prefixes of what it is made from; `otherwise` is the reason
    where the source was there and well.
    """

    what: What
    title: str
    names: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    otherwise: str = ""


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
    "load_errors_total": Origin("load", "the load", otherwise="no request failed"),
    "load_files_": _load("fio", "files"),
    "load_operations": _load("fio and k6", "files", "k6", "command"),
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


def why_absent(metric: str, recipe: Recipe, reasons: Mapping[str, str]) -> str | None:
    """Say why a run has no series of a metric; None where nothing is known to be the reason.

    `reasons`: by the name of a sidecar, a collector or a service, why it gave nothing; by `rules`, why no rule did.
    """
    found = origin(metric)
    return None if found is None else _WHY[found.what](found, metric, recipe, reasons)


def _of_service(found: Origin, metric: str, recipe: Recipe, reasons: Mapping[str, str]) -> str | None:
    mine = [name for name, service in recipe.services.items() if service.kind in found.names]
    speak = [name for name, service in recipe.services.items() if service.kind == "command"]
    for name in (*mine, *(f"{name}-exporter" for name in mine)):
        if name in reasons:
            return f"{name}: {reasons[name]}"
    if mine:
        return f"{' and '.join(mine)} ({found.title}) gave no {metric}: another version, or nothing to count"
    if speak:
        return f"{' and '.join(speak)} gave no {metric}, which {found.title} would give"
    return f"this run has no {found.title.partition(',')[0]} service"


def _of_sidecar(found: Origin, metric: str, recipe: Recipe, reasons: Mapping[str, str]) -> str | None:
    for name in found.names:
        if name not in recipe.watch.exporters:
            return f"the exporter {name} was not asked for: watch.exporters"
        if name in reasons:
            return f"{found.title}: {reasons[name]}"
        if name == "node":
            return next(
                (f"node_exporter {part}: {why}" for part, why in reasons.items() if metric.startswith(f"node_{part}_")),
                None,
            )
    return None


def _of_load(found: Origin, metric: str, recipe: Recipe, reasons: Mapping[str, str]) -> str | None:
    generator = recipe.load.generator
    if found.names and generator not in found.names:
        return f"the load {generator} has no {metric}: it comes of {found.title}"
    return f"load: {reasons['load']}" if "load" in reasons else found.otherwise or None


def _of_rule(found: Origin, metric: str, recipe: Recipe, reasons: Mapping[str, str]) -> str | None:
    for prefix in found.needs:
        if why := why_absent(prefix, recipe, reasons):
            return why
    if "rules" in reasons:
        return reasons["rules"]
    if metric.startswith("service:"):
        if not recipe.services:
            return "this run has no service"
        kinds = " and ".join(sorted({service.kind for service in recipe.services.values()}))
        return f"the recording rules find nothing for {metric} in what {kinds} tells of itself"
    return f"the recording rules gave no {metric}: what it is made from was not there"


def _of_prometheus(_found: Origin, metric: str, _recipe: Recipe, _reasons: Mapping[str, str]) -> str | None:
    return "no alert was pending or firing" if metric.startswith("ALERTS") else None


def _elsewhere(found: Origin, _metric: str, _recipe: Recipe, _reasons: Mapping[str, str]) -> str | None:
    return f"it comes of {found.title}"


_WHY = {
    "service": _of_service,
    "sidecar": _of_sidecar,
    "load": _of_load,
    "rule": _of_rule,
    "prometheus": _of_prometheus,
    "elsewhere": _elsewhere,
}
