"""A whole run with a real vLLM on CPUs that is saturated; in peace it is in test_services."""

import json
import shutil

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from prometheus import replay, snapshot
from tests.jobs.driver import Driver

pytestmark = [pytest.mark.heavy, pytest.mark.timing]

RECIPE = """\
name: vllm
watch: {{interval: 500ms, exporters: [process]}}
services:
  llm:
    kind: vllm
    max_num_seqs: {seqs}
    args: {args}
    cpus: "0"  # the load, Prometheus and the sidecar need the other
    env: {{VLLM_CPU_KVCACHE_SPACE: "1"}}
load:
  generator: openai
  prompt_tokens: {prompt}
  max_tokens: {answer}
  ignore_eos: true
  seed: 7
  drain: 30s
  phases:
    - {{name: warmup, for: 4s, {load}}}
    - {{name: steady, for: 15s, {load}}}
"""


@pytest.fixture
def run(tmp_path):
    """Run a recipe, and give its manifest, its records, and a way to ask its series."""
    assert shutil.which("vllm"), "no program `vllm` on PATH: run this by `make test-heavy`"
    driver = Driver(tmp_path / "recordings")

    def call(**keys):
        recipe = tmp_path / "vllm.yaml"
        recipe.write_text(RECIPE.format(**keys))
        child = driver.start("run", str(recipe))
        try:
            driver.wait_phase("steady")
            out, err = child.communicate(timeout=120)
        finally:
            child.terminate()
        found, manifest = driver.runs()[-1], driver.manifest()
        assert manifest["ending"] == "completed", out + err
        assert driver.left() == []
        assert list(driver.scratch()) == []
        return found, manifest, out

    return call


def series(place, folder, **queries):
    """Evaluate expressions at the end of a recording's blocks; sums, None where there is nothing."""
    (block,) = snapshot.blocks(place / "tsdb")
    with replay.open_blocks(place / "tsdb", folder) as opened:
        found = {name: opened.client.query(query, block.end) for name, query in queries.items()}
        names = set(opened.client.label_values("__name__", block.start, block.end))
    return {name: sum(float(each.values[-1]) for each in many) if many else None for name, many in found.items()}, names


def invalid(manifest):
    """Return the rules that a run broke; whether the client was on time is for a machine with nothing else to do."""
    rules = {found["rule"] for found in manifest["verdict"]["findings"] if found["level"] == "invalid"}
    return rules - {"client_lag"}


COUNTED = {
    # The probe's request of one token came before the first scrape; increase() would extrapolate.
    name: f"max_over_time({metric}[10m]) - min_over_time({metric}[10m])"
    for name, metric in {
        "requests": "vllm:request_success_total",
        "out": "vllm:generation_tokens_total",
        "in": "vllm:prompt_tokens_total",
        "preempted": "vllm:num_preemptions_total",
    }.items()
}


def test_saturated(run, tmp_path):
    """16 users on 4 places and a small cache: who waits is seen, told and counted, and nothing is made up."""
    args = ["--enforce-eager", "--num-gpu-blocks-override", "24"]
    place, manifest, told = run(seqs=4, args=args, prompt=64, answer=900, load="users: 16")
    assert invalid(manifest) == set(), told
    records = pq.read_table(place / "load/requests.parquet")
    found, _ = series(
        place,
        tmp_path,
        **COUNTED,
        waiting="max(max_over_time(vllm:num_requests_waiting[10m]))",
        running="max(max_over_time(vllm:num_requests_running[10m]))",
        full="max(max_over_time(vllm:kv_cache_usage_perc[10m]))",
    )
    assert found["running"] == 4
    assert found["waiting"] >= 10
    assert found["full"] > 0.9
    assert found["preempted"] > 0
    assert all(records["ok"].to_pylist()), told
    # A request that was preempted computes its prompt twice, but its tokens are told, and counted, once.
    assert found["out"] == sum(records["tokens_out"].to_pylist()) == 900 * records.num_rows
    waited = pc.subtract(records["first_token"].cast("int64"), records["sent"].cast("int64"))
    assert np.median(waited.to_numpy()) > 2e9  # they waited for the three before them, and the client says so
    fired = {alert["alert"] for alert in json.loads((place / "summary.json").read_text())["alerts"]}
    assert {"KvCacheFull", "Preemptions"} <= fired <= {"KvCacheFull", "Preemptions", "QueueGrowing"}
