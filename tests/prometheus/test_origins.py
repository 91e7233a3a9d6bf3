"""Where metrics come from, and why they are absent."""

import pytest

from prometheus import origins
from runs.recipe import Recipe

RECIPE = {
    "name": "demo",
    "watch": {"exporters": ["node", "gpu"]},
    "services": {"db": {"kind": "pgvector"}},
    "load": {"generator": "sql", "phases": [{"name": "steady", "for": 10, "rate": 1}]},
}


@pytest.mark.parametrize(
    ("metric", "what", "names"),
    [
        ("vllm:kv_cache_usage_perc", "service", ("vllm",)),
        ("nv_inference_count", "service", ("triton",)),
        ("node_cpu_seconds_total", "sidecar", ("node",)),
        ("load_files_bytes_total", "load", ("files",)),
        ("load_requests_total", "load", ()),
        ("load:request_rate", "rule", ()),
        ("up", "prometheus", ()),
        ("DCGM_FI_DEV_GPU_UTIL", "elsewhere", ()),
    ],
)
def test_origins(metric: str, what: str, names: tuple[str, ...]) -> None:
    """The longest prefix decides."""
    found = origins.origin(metric)
    assert found is not None
    assert (found.what, found.names) == (what, names)


def test_unknown_names_have_no_origin() -> None:
    """`upload_bytes` is not `up`."""
    assert origins.origin("upload_bytes") is None
    assert origins.why_absent("my_metric", Recipe.model_validate(RECIPE), {}) is None


@pytest.mark.parametrize(
    ("metric", "reasons", "words"),
    [
        ("vllm:x", {}, "this run has no vLLM service"),
        ("pg_up", {"db-exporter": "it never answered"}, "db-exporter: it never answered"),
        (
            "pg_stat_new",
            {},
            "db (PostgreSQL, by postgres_exporter) gave no pg_stat_new: another version, or nothing to count",
        ),
        ("lustre_client_read_bytes_total", {}, "the exporter lustre was not asked for: watch.exporters"),
        ("gpu_utilization_ratio", {"gpu": "no GPU"}, "the exporter gpu: no GPU"),
        ("gpu:power_watts", {"gpu": "no GPU"}, "the exporter gpu: no GPU"),
        ("load_tokens_total", {}, "the load sql has no load_tokens_total: it comes of a load of tokens"),
        (
            "load:ttft_seconds:p99",
            {},
            "the load sql has no load_time_to_first_token_: it comes of a load of streamed answers",
        ),
        (
            "service:tokens_rate",
            {},
            "the recording rules find nothing for service:tokens_rate in what pgvector tells of itself",
        ),
        ("ALERTS", {}, "no alert was pending or firing"),
        ("kube_pod_info", {}, "it comes of kube-state-metrics of Kubernetes, and a run has no Kubernetes"),
        ("node_x", {}, None),
    ],
)
def test_reasons(metric: str, reasons: dict[str, str], words: str | None) -> None:
    """Of the recipe first, then of what the recording tells of its sources."""
    assert origins.why_absent(metric, Recipe.model_validate(RECIPE), reasons) == words


def test_command_services_may_speak_anything() -> None:
    """A program that is not known may have been the one that was meant."""
    recipe = Recipe.model_validate({**RECIPE, "services": {"own": {"kind": "command", "options": {}}}})
    assert origins.why_absent("vllm:x", recipe, {}) == "own gave no vllm:x, which vLLM would give"
