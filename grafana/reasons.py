"""Why a run has no series of a metric: what was asked for, what a sidecar said, what the name means.

What has no reason here is a fault: of a dashboard, of a collector, or of this table.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prometheus.client import Client
from runs.recipe import Recipe

_SIDECARS = {
    "node_": "node",
    "node:": "node",
    "cgroup_": "cgroup",
    "process_tree_": "process",
    "gpu_": "gpu",
    "gpu:": "gpu",
    "lustre_": "lustre",
    "lustre:": "lustre",
    "otlp_": "otlp",
}
_UP = '{__name__=~"gpu_up|lustre_client_up|cgroup_up|otlp_up"} == 0'
_RULED = re.compile(r"(service|load|node|gpu|lustre):")


@dataclass(frozen=True)
class Recording:
    """What a recording tells of what is not in it.

    `names` of its metrics; `down`: sidecars that could not read their subject, with their own reasons; `refused`:
    fields of GPUs that their source does not give.
    """

    names: frozenset[str]
    down: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def ask(cls, client: Client, start: float, end: float) -> "Recording":
        """Ask a recording that is open in Prometheus. Raises PrometheusError."""
        over = f"[{max(1, round(end - start))}s]"
        down = {
            series.labels["__name__"].partition("_")[0]: series.labels.get("reason", "") or "it found nothing to read"
            for series in client.query(_UP, end)
        }
        refused = {
            series.labels["field"]: series.labels.get("reason", "")
            for series in client.query(f"last_over_time(gpu_field_absent{over})", end)
        }
        return cls(frozenset(client.label_values("__name__", start, end)), down, refused)


@dataclass(frozen=True)
class _Known:
    """A reason for names that match; `when` it holds of a recipe."""

    pattern: str
    text: str
    when: Callable[[Recipe], bool] = lambda _recipe: True


def _kinds(recipe: Recipe) -> set[str]:
    return {service.kind for service in recipe.services.values()}


def _lacks(*kinds: str) -> Callable[[Recipe], bool]:
    return lambda recipe: not _kinds(recipe) & set(kinds)


def _closed(recipe: Recipe) -> bool:
    return all(phase.rate is None for phase in recipe.load.stages)


def _quiet(recipe: Recipe) -> bool:
    return not any(service.options.get("summary_latencies") for service in recipe.services.values())


_TABLE = (
    _Known(r"ALERTS", "no alert was pending or firing"),
    _Known(r"load[_:]rate_asked", "a closed loop asks for no rate", _closed),
    _Known(r"load_errors_total", "no request failed"),
    _Known(
        r"load_operations_total",
        "the load is of one kind of request",
        lambda recipe: recipe.load.generator not in {"sql", "s3"},
    ),
    _Known(
        r"load:(latency|ttft)_seconds:.*",
        "the load is a tool's, which tells no time of a request while it runs",
        lambda recipe: recipe.load.generator in {"files", "k6", "command"},
    ),
    _Known(r"load:tokens_rate|load:ttft_.*|load_tokens_total", "the answers hold no tokens"),
    _Known(r"k6_dropped_iterations_total", "k6 dropped no iteration"),
    _Known(r"vllm:.*", "no service of this run is vLLM", _lacks("vllm")),
    _Known(r"llamacpp:.*", "no service of this run is llama.cpp", _lacks("llamacpp", "embeddings")),
    _Known(r"nv_inference_request_summary_us", "the service's option summary_latencies is off", _quiet),
    _Known(r"vllm:gpu_.*|vllm:time_per_output_token_.*", "names of vLLM's V0 engine, gone since"),
    _Known(r"collections_vector_total", "a name of older releases of Qdrant"),
    _Known(r"pg_stat_bgwriter_.*", "PostgreSQL 17 moved these counters, and this exporter does not follow"),
    _Known(r"pg_stat_activity_max_tx_duration", "no transaction was open at the moment of a scrape"),
    _Known(r"node_infiniband_.*", "the node has no InfiniBand"),
    _Known(r"node_pressure_.*|cgroup_pressure_.*", "the kernel or the control group tells no pressure (PSI)"),
    _Known(r"cgroup_memory_limit_bytes|cgroup_cpu_quota_cores", "the job has no such limit"),
    _Known(r"cgroup_(memory_oom_kills|cpu_throttled_seconds)_total", "this control group does not count it"),
    _Known(r"gpu_throttled", "no clock was lowered"),
    _Known(r"gpu_nvlink_.*|gpu_row_remap_failure", "the GPU has none, or its source does not tell"),
    _Known(r"lustre_client_operation_seconds_total", "Lustre tells it from 2.14 on"),
    _Known(r"lustre_lnet_.*", "lnetctl is not there, or may not be run"),
)


def why(metric: str, recipe: Recipe, recording: Recording) -> str | None:
    """Say why a recording has nothing of a metric; None where no reason is known."""
    sidecar = next((name for prefix, name in _SIDECARS.items() if metric.startswith(prefix)), None)
    if sidecar is not None and sidecar not in recipe.watch.exporters:
        return f"the exporter {sidecar} was not asked for (watch.exporters)"
    if sidecar is not None and sidecar in recording.down:
        return f"the exporter {sidecar}: {recording.down[sidecar]}"
    gpu_field = metric.removeprefix("gpu_").removesuffix("_total")
    if metric.startswith("gpu_") and gpu_field in recording.refused:
        return f"the GPU's source does not give it: {recording.refused[gpu_field]}"
    for known in _TABLE:
        if re.fullmatch(known.pattern, metric) and known.when(recipe):
            return known.text
    if _RULED.match(metric):
        return _no_rule(metric, recipe, recording)
    return None


def _no_rule(metric: str, recipe: Recipe, recording: Recording) -> str | None:
    if not any(_RULED.match(name) for name in recording.names):
        return "it was recorded without recording rules"
    if not metric.startswith("service:"):
        return None
    kinds = " and ".join(sorted(_kinds(recipe)))
    return f"{kinds} tells nothing to make it of" if kinds else "the run has no service"
