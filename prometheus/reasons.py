"""Why a run has no series of a metric: the one table, for the report and for `dashcam dashboards` alike.

A reason follows from the recipe, from what a source of the run said of itself, or from what the name means. A metric
without one is a fault: of a dashboard, of a collector, or of this table.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus.client import Series
from prometheus.origins import RULED, Origin, origin
from runs.recipe import Recipe

Told = Mapping[str, str]
"""What a run says of its own gaps: by the name of a sidecar, a collector or a service, why it gave nothing; by a metric
without `_total`, why its source has none; by `rules`, why there are none."""

_UP = '{__name__=~"gpu_up|lustre_client_up|cgroup_up|otlp_up"} == 0'


class Asked(Protocol):
    """As much of a `prometheus.client.Client` as is needed here."""

    def query(self, expression: str, at: float | None = None) -> list[Series]:
        """Return an instant query's answer."""
        ...

    def label_values(self, label: str, start: float, end: float) -> list[str]:
        """Return the values of a label."""
        ...


def tell(client: Asked, start: float, end: float) -> dict[str, str]:
    """Ask a recording for what its sources said of themselves. UTC seconds. Raises PrometheusError."""
    over = f"[{max(1, round(end - start))}s]"
    told = {
        series.labels["__name__"].partition("_")[0]: series.labels.get("reason", "") or "it found nothing to read"
        for series in client.query(_UP, end)
    }
    for series in client.query(f"last_over_time(gpu_field_absent{over})", end):
        reason = series.labels.get("reason", "")
        told[f"gpu_{series.labels['field']}"] = f"the GPU's source does not give it: {reason}"
    if not any(name.startswith(RULED) for name in client.label_values("__name__", start, end)):
        told["rules"] = "this recording was made without recording rules"
    return told


def why(metric: str, recipe: Recipe, told: Told) -> str | None:
    """Say why a run has nothing of a metric; None where no reason is known."""
    found = origin(metric)
    if found is not None and (reason := _WHY[found.what](found, metric, recipe, told)):
        return reason
    if reason := told.get(metric.removesuffix("_total")):
        return reason
    for known in _TABLE:
        if re.fullmatch(known.pattern, metric) and known.when(recipe):
            return known.text
    if metric.startswith("service:") and recipe.services:
        kinds = " and ".join(sorted(_kinds(recipe)))
        return f"the recording rules find nothing for {metric} in what {kinds} tells of itself"
    return None


def likely(metric: str, recipe: Recipe, told: Told) -> str | None:
    """Say why, and where no reason is known what the reason may be: for a reader, where no check hangs on it."""
    if reason := why(metric, recipe, told):
        return reason
    found = origin(metric)
    if found is not None and found.what == "service":
        mine = " and ".join(_mine(found, recipe))
        return f"{mine} ({found.title}) gave no {metric}: another version, or nothing to count"
    if found is not None and found.what == "rule":
        return f"the recording rules gave no {metric}: what it is made from was not there"
    return None


@dataclass(frozen=True)
class _Known:
    """A reason for names that match; `when` it holds of a recipe."""

    pattern: str
    text: str
    when: Callable[[Recipe], bool] = lambda _recipe: True


def _kinds(recipe: Recipe) -> set[str]:
    return {service.kind for service in recipe.services.values()}


def _closed(recipe: Recipe) -> bool:
    return all(phase.rate is None for phase in recipe.load.stages)


def _untold(recipe: Recipe) -> bool:
    return "otlp" not in recipe.watch.exporters


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
    _Known(r"collection_\w+_total", "Chroma counts over OTLP only: put otlp among watch.exporters", _untold),
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


def _mine(found: Origin, recipe: Recipe) -> list[str]:
    return [name for name, service in recipe.services.items() if service.kind in found.names]


def _of_service(found: Origin, metric: str, recipe: Recipe, told: Told) -> str | None:
    mine = _mine(found, recipe)
    for name in (*mine, *(f"{name}-exporter" for name in mine)):
        if name in told:
            return f"{name}: {told[name]}"
    if mine:
        return None
    if speak := [name for name, service in recipe.services.items() if service.kind == "command"]:
        return f"{' and '.join(speak)} gave no {metric}, which {found.title} would give"
    return f"this run has no {found.title.partition(',')[0]} service"


def _of_sidecar(found: Origin, metric: str, recipe: Recipe, told: Told) -> str | None:
    for name in found.names:
        if name not in recipe.watch.exporters:
            return f"the exporter {name} was not asked for: watch.exporters"
        if name in told:
            return f"{found.title}: {told[name]}"
        if name == "node":
            return next(
                (f"node_exporter {part}: {why}" for part, why in told.items() if metric.startswith(f"node_{part}_")),
                None,
            )
    return None


def _of_load(found: Origin, metric: str, recipe: Recipe, told: Told) -> str | None:
    generator = recipe.load.generator
    if found.names and generator not in found.names:
        return f"the load {generator} has no {metric}: it comes of {found.title}"
    return f"load: {told['load']}" if "load" in told else None


def _of_rule(found: Origin, metric: str, recipe: Recipe, told: Told) -> str | None:
    for prefix in found.needs:
        if reason := why(prefix, recipe, told):
            return reason
    if metric.startswith("service:") and not recipe.services:
        return "this run has no service"
    return told.get("rules")


def _of_prometheus(_found: Origin, _metric: str, _recipe: Recipe, _told: Told) -> None:
    return None


def _elsewhere(found: Origin, _metric: str, _recipe: Recipe, _told: Told) -> str:
    return f"it comes of {found.title}"


_WHY: Mapping[str, Callable[[Origin, str, Recipe, Told], str | None]] = {
    "service": _of_service,
    "sidecar": _of_sidecar,
    "load": _of_load,
    "rule": _of_rule,
    "prometheus": _of_prometheus,
    "elsewhere": _elsewhere,
}
