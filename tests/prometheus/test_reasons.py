"""Why metrics are absent: one table, for the report and for `dashcam dashboards`."""

import numpy as np
import pytest

from prometheus import reasons
from prometheus.client import Series
from runs.recipe import Recipe

RECIPE = {
    "name": "demo",
    "watch": {"exporters": ["node", "gpu"]},
    "services": {"db": {"kind": "pgvector"}},
    "load": {"generator": "sql", "phases": [{"name": "steady", "for": 10, "rate": 1}]},
}


@pytest.mark.parametrize(
    ("metric", "told", "words"),
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
def test_reasons(metric: str, told: dict[str, str], words: str | None) -> None:
    """Of the recipe first, then of what the recording tells of its sources."""
    assert reasons.likely(metric, Recipe.model_validate(RECIPE), told) == words


def test_command_services_may_speak_anything() -> None:
    """A program that is not known may have been the one that was meant."""
    recipe = Recipe.model_validate({**RECIPE, "services": {"own": {"kind": "command", "options": {}}}})
    assert reasons.why("vllm:x", recipe, {}) == "own gave no vllm:x, which vLLM would give"


LLM = {
    "name": "x",
    "services": {"llm": {"kind": "llamacpp"}},
    "watch": {"exporters": ["gpu", "lustre"]},
    "load": {"generator": "openai", "phases": [{"name": "steady", "for": "5s", "rate": 1}]},
}


def test_a_guess_is_no_reason() -> None:
    """What only may be so is told to a reader, and hides no fault from a check."""
    recipe = Recipe.model_validate(LLM)
    assert reasons.why("llamacpp:of_the_future", recipe, {}) is None
    assert reasons.likely("llamacpp:of_the_future", recipe, {}) == (
        "llm (llama.cpp) gave no llamacpp:of_the_future: another version, or nothing to count"
    )
    assert reasons.why("load:request_rate", recipe, {}) is None
    assert "what it is made from was not there" in str(reasons.likely("load:request_rate", recipe, {}))
    assert reasons.likely("load_requests_total", recipe, {}) is None


def test_reasons_hold_only_where_they_are_true() -> None:
    """A reason that depends on the recipe is not given to another."""
    open_loop = Recipe.model_validate(LLM)
    closed = Recipe.model_validate(
        {**LLM, "load": {"generator": "openai", "phases": [{"name": "steady", "for": "5s", "users": 2}]}}
    )
    assert reasons.why("load_rate_asked", open_loop, {}) is None
    assert reasons.why("load_rate_asked", closed, {}) == "a closed loop asks for no rate"
    assert reasons.why("load_errors_total", open_loop, {}) == "no request failed"


def test_a_gpus_source_says_what_it_refuses() -> None:
    """The exporter's own word for a field stands before ours."""
    told = {"gpu_throttled": "the GPU's source does not give it: refused", "gpu_energy_joules": "not offered"}
    recipe = Recipe.model_validate(LLM)
    assert reasons.why("gpu_throttled", recipe, told) == told["gpu_throttled"]
    assert reasons.why("gpu_energy_joules_total", recipe, told) == "not offered"


def test_a_recording_tells_of_its_gaps() -> None:
    """Sidecars that read nothing, fields that a GPU's source refuses, and a run without rules."""

    class Fake:
        def query(self, expression: str, at: float | None = None) -> list[Series]:
            assert at == 60.0
            labels = {"__name__": "lustre_client_up", "reason": "no mount"}
            if "gpu_field_absent" in expression:
                labels = {"field": "sm_active_ratio", "reason": "refused"}
            return [Series(labels, np.array([60.0]), np.array([1.0]))]

        def label_values(self, _label: str, _start: float, _end: float) -> list[str]:
            return ["up"]

    assert reasons.tell(Fake(), 0.0, 60.0) == {
        "lustre": "no mount",
        "gpu_sm_active_ratio": "the GPU's source does not give it: refused",
        "rules": "this recording was made without recording rules",
    }
