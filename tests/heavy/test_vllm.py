"""A whole run with a real vLLM on CPUs that is saturated; in peace it is in test_services."""

import shutil

import numpy as np
import pytest

from tests.heavy.recording import Row, recorded

pytestmark = [pytest.mark.heavy, pytest.mark.timing]

RECIPE = """\
name: vllm-full
watch: {interval: 500ms, exporters: [process]}
services:
  llm:
    kind: vllm
    max_num_seqs: 4
    args: [--enforce-eager, --num-gpu-blocks-override, "24"]
    cpus: "0"  # the load, Prometheus and the sidecar need the other
    env: {VLLM_CPU_KVCACHE_SPACE: "1"}
load:
  generator: openai
  prompt_tokens: 64
  max_tokens: 900
  ignore_eos: true
  seed: 7
  drain: 30s
  phases:
    - {name: warmup, for: 4s, users: 16}
    - {name: steady, for: 15s, users: 16}
"""


def test_saturated(tmp_path, table):
    """16 users on 4 places and a small cache: who waits is seen, told and counted, and nothing is made up."""
    assert shutil.which("vllm"), "no program `vllm` on PATH: run this by `make test-heavy`"
    recipe = tmp_path / "vllm-full.yaml"
    recipe.write_text(RECIPE)
    with recorded(recipe, {}, tmp_path) as (recording, panels):
        table["vllm-full"] = Row.of("vllm, saturated", recording.manifest["versions"]["llm (vLLM)"], recording, panels)
        invalid = {found["rule"] for found in recording.summary["findings"] if found["level"] == "invalid"}
        # Whether the client was on time is for a machine with nothing else to do.
        assert invalid <= {"client_lag"}, recording.said
        records = recording.records
        assert recording.last("max(max_over_time(vllm:num_requests_running[10m]))") == 4
        assert recording.last("max(max_over_time(vllm:num_requests_waiting[10m]))") >= 10
        assert recording.last("max(max_over_time(vllm:kv_cache_usage_perc[10m]))") > 0.9
        assert recording.counted("vllm:num_preemptions_total") > 0
        assert all(records["ok"]), recording.said
        # A request that was preempted computes its prompt twice, but its tokens are told, and counted, once.
        assert recording.counted("vllm:generation_tokens_total") == records["tokens_out"].sum() == 900 * len(records)
        # They waited for the three before them, and the client says so.
        assert np.median((records["first_token"] - records["sent"]).dt.total_seconds()) > 2
        fired = {alert["alert"] for alert in recording.summary["alerts"]}
        assert "Preemptions" in fired
        # A preemption makes room, so that the cache need not be full for 5 s on end.
        assert fired <= {"Preemptions", "KvCacheFull", "QueueGrowing", "ClientLate"}
