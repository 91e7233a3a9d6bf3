"""Recording rules: the same series whatever the service, and none where nothing can be known."""

import re
import subprocess
from pathlib import Path

import pytest

from prometheus import rules
from prometheus.rules.base import Group
from tests.prometheus.rulebook import check, expect, histogram, series

GOLDEN = Path(__file__).parent / "golden"
CONTRACT = {
    "service:request_rate", "service:error_ratio", "service:queue_depth", "service:running_requests",
    "service:saturation_ratio", "service:tokens_rate", "service:bytes_rate", "load:request_rate", "load:rate_asked",
    "load:error_ratio", "load:lag_seconds:p99", "load:in_flight", "load:tokens_rate", "node:cpu_busy_ratio",
    "node:memory_used_ratio", "node:disk_bytes_rate", "node:network_bytes_rate", "gpu:utilization_ratio",
    "gpu:memory_used_ratio", "gpu:power_watts", "lustre:bytes_rate", "lustre:operations_rate",
    *(f"service:latency_seconds:{q}" for q in ("p50", "p95", "p99", "mean")),
    *(f"{s}_seconds:{q}" for q in ("p50", "p95", "p99") for s in ("service:ttft", "service:inter_token")),
    *(f"{s}_seconds:{q}" for q in ("p50", "p95", "p99") for s in ("load:latency", "load:ttft")),
}  # fmt: skip


@pytest.mark.parametrize("interval", [1.0, 0.25])
def test_rendered(interval, golden):
    """The rules are as they were looked at."""
    golden(GOLDEN / f"rules-{interval:g}s.yml", rules.render(interval))


@pytest.mark.parametrize("interval", [0.1, 1.0, 5.0, 60.0])
def test_promtool_takes_them(interval, tmp_path):
    """promtool finds no fault and no duplicate, at any scrape interval."""
    (tmp_path / rules.FILE).write_text(rules.render(interval))
    done = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / rules.FILE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_windows_follow_the_interval():
    """A rate looks back over four scrapes, and 4 s at least; an alert waits two scrapes at least."""
    assert "[4s]" in rules.render(0.5)
    slow = rules.render(30.0)
    assert "[120s]" in slow
    assert "[4s]" not in slow
    assert set(re.findall(r"for: (\S+)", slow)) == {"60s"}


def test_no_placeholder_is_left():
    """Every $ of an expression was filled in; those of templates and label_replace stay."""
    for interval in (0.25, 5.0):
        left = set(re.findall(r"\$\w+", rules.render(interval)))
        assert left == {"$labels", "$value", "$1"}


def test_contract():
    """The names that dashboards rely on are all there."""
    assert rules.names() >= CONTRACT


def test_services_keep_to_the_common_names():
    """A service's group records only names that are there for all services."""
    for group in rules.groups():
        for record in group.records:
            assert record.name.startswith("service:") == group.service, f"{group.name}: {record.name}"


def test_an_alert_says_what_to_do():
    """Each alert has a text that names the place, and a mend; its templates are of the kinds that a report fills in."""
    known = r"\{\{ \$(labels\.\w+|value \| (humanize|humanizePercentage|humanizeDuration)) \}\}"
    for group in rules.groups():
        for alert in group.alerts:
            assert alert.action.endswith("."), alert.name
            assert "labels" in alert.summary or "load" in alert.summary, alert.name
            assert "{{" not in re.sub(known, "", alert.summary), alert.name
    names = [alert.name for group in rules.groups() for alert in group.alerts]
    assert len(names) == len(set(names))


def test_page_names_the_service():
    """What the sidecar `page` reads for a service counts as the service's, and the exporter's job never shows."""
    written = Group("x", service=True).write("sum by ($k) (a)", {})
    assert "sum by (run_id, job, node, page) (a)" in written
    assert written.startswith("max by (run_id, job, node) (label_replace(")


NANS = " ".join(["NaN"] * 100)
LATENCY = {"0.1": 50, "0.2": 95, "0.4": 99, "+Inf": 100}


def test_vllm(tmp_path):
    """V1 with two engines (data parallelism): sums for what adds up, the fullest cache, one histogram of both."""
    engines = [
        one
        for engine, cache in (("0", "0.5"), ("1", "0.9"))
        for one in (
            series("vllm:num_requests_running", "8x100", engine=engine),
            series("vllm:num_requests_waiting", "3x100", engine=engine),
            series("vllm:kv_cache_usage_perc", f"{cache}x100", engine=engine),
            series("vllm:gpu_cache_usage_perc", "0.1x100", engine=engine),
            series("vllm:prompt_tokens_total", "0+100x100", engine=engine),
            series("vllm:generation_tokens_total", "0+50x100", engine=engine),
            series("vllm:request_success_total", "0+9x100", engine=engine, finished_reason="stop"),
            series("vllm:request_success_total", "0+1x100", engine=engine, finished_reason="error"),
            *histogram("vllm:e2e_request_latency_seconds", LATENCY, total=12, engine=engine),
            *histogram("vllm:time_to_first_token_seconds", LATENCY, total=10, engine=engine),
            *histogram("vllm:inter_token_latency_seconds", LATENCY, total=5, engine=engine),
            # A release with both names: the new one counts, never their sum.
            *histogram("vllm:time_per_output_token_seconds", {"10": 100, "+Inf": 100}, total=900, engine=engine),
        )
    ]
    wanted = [
        expect("service:request_rate", 20),
        expect("service:error_ratio", 0.1),
        expect("service:latency_seconds:p50", 0.1),
        expect("service:latency_seconds:p95", 0.2),
        expect("service:latency_seconds:p99", 0.4),
        expect("service:latency_seconds:mean", 0.12),
        expect("service:ttft_seconds:p50", 0.1),
        expect("service:inter_token_seconds:p95", 0.2),
        expect("service:inter_token_seconds:mean", 0.05),
        expect("service:queue_depth", 6),
        expect("service:running_requests", 16),
        expect("service:saturation_ratio", 0.9),
        expect("service:tokens_rate", 200, direction="in"),
        expect("service:tokens_rate", 100, direction="out"),
        expect("service:bytes_rate", None, direction="in"),
    ]
    check(tmp_path, (engines, wanted, []))


def test_vllm_of_old(tmp_path):
    """The V0 engine: its own names, no engine label, and errors that it does not count are no 0."""
    given = [
        series("vllm:gpu_cache_usage_perc", "0.25x100", model_name="m"),
        series("vllm:request_success_total", "0+4x100", model_name="m", finished_reason="length"),
        *histogram("vllm:time_per_output_token_seconds", LATENCY, total=5),
    ]
    wanted = [
        expect("service:saturation_ratio", 0.25),
        expect("service:request_rate", 4),
        expect("service:error_ratio", None),
        expect("service:inter_token_seconds:p50", 0.1),
        expect("service:latency_seconds:p50", None),
    ]
    check(tmp_path, (given, wanted, []))


def test_nothing_known_is_no_series(tmp_path):
    """A service that stands idle has a rate of 0, and no ratio and no time: 0/0 is not 0, and not NaN."""
    idle = [
        series("vllm:request_success_total", "0x100", finished_reason="stop"),
        series("vllm:request_success_total", "0x100", finished_reason="error"),
        *histogram("vllm:e2e_request_latency_seconds", {"0.1": 0, "+Inf": 0}),
        series("nv_inference_request_success", "0x100", job="triton"),
        series("nv_inference_request_failure", "0x100", job="triton"),
        series("nv_inference_request_duration_us", "0x100", job="triton"),
        series("nv_inference_request_summary_us", NANS, job="triton", quantile="0.5"),
        series("load_requests_total", "0x100", job="load", outcome="ok"),
        series("load_requests_total", "0x100", job="load", outcome="error"),
        *histogram("load_request_duration_seconds", {"0.1": 0, "+Inf": 0}, job="load"),
    ]
    wanted = [
        expect("service:request_rate", 0),
        expect("service:request_rate", 0, job="triton"),
        expect("load:request_rate", 0, job="load"),
        *(
            expect(name, None, job=job)
            for job in ("svc", "triton", "load")
            for name in (
                *("service:error_ratio", "service:latency_seconds:p50", "service:latency_seconds:mean"),
                *("load:error_ratio", "load:latency_seconds:p50", "load:latency_seconds:mean"),
            )
        ),
    ]
    check(tmp_path, (idle, wanted, []))


def test_triton(tmp_path):
    """Means out of its microseconds; quantiles where it has summaries, the slowest model's; TRT-LLM's cache."""
    given = [
        one
        for model, slow in (("a", 1), ("b", 3))
        for one in (
            series("nv_inference_request_success", "0+9x100", model=model),
            series("nv_inference_request_failure", "0+1x100", model=model, reason="OTHER"),
            series("nv_inference_request_duration_us", f"0+{18000 * slow}x100", model=model),
            series("nv_inference_pending_request_count", "2x100", model=model),
            series("nv_inference_request_summary_us", f"{slow * 2000}x100", model=model, quantile="0.5"),
            series("nv_inference_request_summary_us", f"{slow * 4000}x100", model=model, quantile="0.99"),
            series("nv_inference_request_summary_us", NANS, model=model, quantile="0.95"),
        )
    ]
    given += [
        series("nv_trt_llm_request_metrics", "5x100", model="b", request_type="active"),
        series("nv_trt_llm_kv_cache_block_metrics", "30x100", model="b", version="1", kv_cache_block_type="used"),
        series("nv_trt_llm_kv_cache_block_metrics", "40x100", model="b", version="1", kv_cache_block_type="max"),
    ]
    wanted = [
        expect("service:request_rate", 20),
        expect("service:error_ratio", 0.1),
        expect("service:latency_seconds:mean", 0.004),
        expect("service:latency_seconds:p50", 0.006),
        expect("service:latency_seconds:p95", None),
        expect("service:latency_seconds:p99", 0.012),
        expect("service:queue_depth", 4),
        expect("service:running_requests", 5),
        expect("service:saturation_ratio", 0.75),
    ]
    # The backend vLLM brings vLLM's series: one source of each, not two.
    both = [*given, series("vllm:request_success_total", "0+7x100", finished_reason="stop")]
    check(tmp_path, (given, wanted, []), (both, [expect("service:request_rate", 7)], []))


def test_llamacpp(tmp_path):
    """Tokens, slots and the mean time of a token; it counts no requests."""
    given = [
        series("llamacpp:prompt_tokens_total", "0+64x100"),
        series("llamacpp:tokens_predicted_total", "0+100x100"),
        series("llamacpp:tokens_predicted_seconds_total", "0+2x100"),
        series("llamacpp:requests_processing", "4x100"),
        series("llamacpp:requests_deferred", "8x100"),
    ]
    wanted = [
        expect("service:tokens_rate", 64, direction="in"),
        expect("service:tokens_rate", 100, direction="out"),
        expect("service:inter_token_seconds:mean", 0.02),
        expect("service:running_requests", 4),
        expect("service:queue_depth", 8),
        expect("service:request_rate", None),
        expect("service:saturation_ratio", None),
    ]
    check(tmp_path, (given, wanted, []))


def test_postgres(tmp_path):
    """Transactions of all databases, sessions but for the asking one, under the service's own name."""
    given = [
        one
        for base in ("a", "b")
        for one in (
            series("pg_stat_database_xact_commit", "0+45x100", job="vectors-exporter", datname=base),
            series("pg_stat_database_xact_rollback", "0+5x100", job="vectors-exporter", datname=base),
            series("pg_stat_database_active_time", "0+200x100", job="vectors-exporter", datname=base),
            series("pg_stat_database_numbackends", "10x100", job="vectors-exporter", datname=base),
            series("pg_stat_activity_count", "3x100", job="vectors-exporter", datname=base, state="active"),
            series("pg_stat_activity_count", "7x100", job="vectors-exporter", datname=base, state="idle"),
        )
    ]
    given.append(series("pg_settings_max_connections", "200x100", job="vectors-exporter"))
    wanted = [
        expect("service:request_rate", 100, job="vectors"),
        expect("service:error_ratio", 0.1, job="vectors"),
        expect("service:latency_seconds:mean", 0.004, job="vectors"),
        expect("service:running_requests", 5, job="vectors"),
        expect("service:saturation_ratio", 0.1, job="vectors"),
        expect("service:request_rate", None, job="vectors-exporter"),
    ]
    check(tmp_path, (given, wanted, []))


def test_seaweedfs(tmp_path):
    """Requests by code, bytes by direction; a store without an error has a ratio of 0, since it would count one."""
    good = [
        series("SeaweedFS_s3_request_total", "0+30x100", type="GET", code="200"),
        *histogram("SeaweedFS_s3_request_seconds", LATENCY, total=12, type="GET"),
        series("SeaweedFS_s3_in_flight_requests", "2x100", type="GET"),
        series("SeaweedFS_s3_in_flight_requests", "1x100", type="PUT"),
        series("SeaweedFS_s3_bucket_traffic_received_bytes_total", "0+1024x100", bucket="b"),
        series("SeaweedFS_s3_bucket_traffic_sent_bytes_total", "0+4096x100", bucket="b"),
    ]
    wanted = [
        expect("service:request_rate", 30),
        expect("service:error_ratio", 0),
        expect("service:latency_seconds:p95", 0.2),
        expect("service:running_requests", 3),
        expect("service:bytes_rate", 1024, direction="in"),
        expect("service:bytes_rate", 4096, direction="out"),
        expect("service:queue_depth", None),
    ]
    bad = [*good, series("SeaweedFS_s3_request_total", "0+10x100", type="PUT", code="503")]
    check(tmp_path, (good, wanted, []), (bad, [expect("service:error_ratio", 0.25)], []))


def test_vector_databases(tmp_path):
    """Qdrant's REST and gRPC together, Milvus and Weaviate in seconds, Chroma by its counters, Faiss by ours."""
    given = [
        series("rest_responses_total", "0+6x100", job="qdrant", method="POST", endpoint="/s", status="200"),
        series("rest_responses_total", "0+2x100", job="qdrant", method="POST", endpoint="/s", status="500"),
        series("grpc_responses_total", "0+8x100", job="qdrant", endpoint="/s", status="0"),
        *histogram("rest_responses_duration_seconds", LATENCY, total=12, job="qdrant", method="POST"),
        series("milvus_proxy_req_count", "0+50x100", job="milvus", function_name="Search", status="total"),
        series("milvus_proxy_req_count", "0+30x100", job="milvus", function_name="Search", status="success"),
        series("milvus_proxy_req_count", "0+10x100", job="milvus", function_name="Search", status="fail"),
        *histogram("milvus_proxy_sq_latency", {"1": 50, "2": 95, "4": 99, "+Inf": 100}, total=120, job="milvus"),
        series("milvus_proxy_queue_task_num", "5x100", job="milvus", queue_type="dql", task_state="unissued"),
        series("requests_total", "0+3x100", job="exporter", page="wea", api="rest", class_name="C", query_type="get",
               status="ok"),
        series("requests_total", "0+1x100", job="exporter", page="wea", api="rest", class_name="C", query_type="get",
               status="server_error"),
        *histogram("queries_durations_ms", {"10": 50, "50": 95, "100": 99, "+Inf": 100}, total=120, job="exporter",
                   page="wea", class_name="C", query_type="get_graphql"),
        series("collection_query_total", "0+40x100", job="exporter", service_name="chr", otel_scope_name="chroma"),
        series("collection_add_total", "0+2x100", job="exporter", service_name="chr", otel_scope_name="chroma"),
        series("faiss_requests_total", "0+20x100", job="faiss", operation="search", code="200"),
        *histogram("faiss_search_seconds", LATENCY, total=12, job="faiss"),
    ]  # fmt: skip
    wanted = [
        expect("service:request_rate", 16, job="qdrant"),
        expect("service:error_ratio", 0.125, job="qdrant"),
        expect("service:latency_seconds:mean", 0.12, job="qdrant"),
        expect("service:request_rate", 40, job="milvus"),
        expect("service:error_ratio", 0.25, job="milvus"),
        expect("service:latency_seconds:p50", 0.001, job="milvus"),
        expect("service:queue_depth", 5, job="milvus"),
        expect("service:request_rate", 4, job="wea"),
        expect("service:error_ratio", 0.25, job="wea"),
        expect("service:latency_seconds:p95", 0.05, job="wea"),
        expect("service:request_rate", 42, job="chr"),
        expect("service:request_rate", None, job="exporter"),
        expect("service:request_rate", 20, job="faiss"),
        expect("service:error_ratio", 0, job="faiss"),
        expect("service:latency_seconds:p99", 0.4, job="faiss"),
    ]
    check(tmp_path, (given, wanted, []))


def test_another_programs_requests_are_not_weaviates(tmp_path):
    """`requests_total` without Weaviate's labels is some program's own counter."""
    given = [series("requests_total", "0+3x100", status="ok"), series("requests_total", "0+3x100", api="x")]
    check(tmp_path, (given, [expect("service:request_rate", None)], []))


def test_load(tmp_path):
    """The client's series, phases together."""
    given = [
        *(
            series("load_requests_total", values, job="load", phase="a", outcome=outcome)
            for outcome, values in (("ok", "0+15x100"), ("error", "0+5x100"))
        ),
        series("load_requests_total", "0x100", job="load", phase="b", outcome="ok"),
        series("load_rate_asked", "25x100", job="load"),
        series("load_requests_in_flight", "7x100", job="load"),
        series("load_tokens_total", "0+320x100", job="load", direction="out"),
        *histogram("load_request_duration_seconds", LATENCY, total=12, job="load", phase="a"),
        *histogram("load_request_duration_seconds", {"0.1": 0, "+Inf": 0}, job="load", phase="b"),
        *histogram("load_client_lag_seconds", {"0.001": 99, "+Inf": 100}, job="load", phase="a"),
    ]
    wanted = [
        expect("load:request_rate", 20, job="load"),
        expect("load:error_ratio", 0.25, job="load"),
        expect("load:rate_asked", 25, job="load"),
        expect("load:in_flight", 7, job="load"),
        expect("load:tokens_rate", 320, job="load", direction="out"),
        expect("load:tokens_rate", None, job="load", direction="in"),
        expect("load:latency_seconds:p95", 0.2, job="load"),
        expect("load:ttft_seconds:p50", None, job="load"),
        expect("load:lag_seconds:p99", 0.001, job="load"),
    ]
    check(tmp_path, (given, wanted, []))


def test_machines(tmp_path):
    """Nodes, GPUs, Lustre and the job's group; what would count twice is left out."""
    node, side = {"job": "node"}, {"job": "exporter"}
    given = [
        series("node_cpu_seconds_total", "0+0.25x100", cpu="0", mode="idle", **node),
        series("node_cpu_seconds_total", "0+0.75x100", cpu="1", mode="idle", **node),
        series("node_memory_MemTotal_bytes", "1000x100", **node),
        series("node_memory_MemAvailable_bytes", "250x100", **node),
        series("node_disk_read_bytes_total", "0+100x100", device="sda", **node),
        series("node_disk_read_bytes_total", "0+100x100", device="dm-0", **node),
        series("node_disk_written_bytes_total", "0+10x100", device="nvme0n1", **node),
        series("node_network_receive_bytes_total", "0+70x100", device="eth0", **node),
        series("node_network_receive_bytes_total", "0+70x100", device="lo", **node),
        series("node_network_transmit_bytes_total", "0+7x100", device="ib0", **node),
        series("gpu_utilization_ratio", "0.5x100", gpu="0", uuid="G0", **side),
        series("gpu_graphics_active_ratio", "0.9x100", gpu="0", uuid="G0", **side),
        series("gpu_graphics_active_ratio", "0.25x100", gpu="1", uuid="M1", mig_id="1", **side),
        series("gpu_memory_used_bytes", "30x100", gpu="0", uuid="G0", **side),
        series("gpu_memory_total_bytes", "40x100", gpu="0", uuid="G0", **side),
        series("gpu_memory_used_bytes", "30x100", gpu="1", uuid="M1", **side),
        series("gpu_memory_free_bytes", "30x100", gpu="1", uuid="M1", **side),
        series("gpu_power_watts", "300x100", gpu="1", uuid="M1", mig_id="1", **side),
        series("gpu_power_watts", "300x100", gpu="1", uuid="M1", mig_id="2", **side),
        series("lustre_client_read_bytes_total", "0+4096x100", fs="scratch", **side),
        series("lustre_client_operations_total", "0+5x100", fs="scratch", operation="open", **side),
        series("lustre_client_operations_total", "0+5x100", fs="scratch", operation="close", **side),
        series("cgroup_cpu_usage_seconds_total", "0+1.5x100", cgroup="job", **side),
        series("cgroup_memory_working_set_bytes", "25x100", cgroup="job", **side),
        series("cgroup_memory_limit_bytes", "100x100", cgroup="job", **side),
    ]
    wanted = [
        expect("node:cpu_busy_ratio", 0.5, **node),
        expect("node:memory_used_ratio", 0.75, **node),
        expect("node:disk_bytes_rate", 100, direction="read", **node),
        expect("node:disk_bytes_rate", 10, direction="write", **node),
        expect("node:network_bytes_rate", 70, direction="in", **node),
        expect("node:network_bytes_rate", 7, direction="out", **node),
        expect("gpu:utilization_ratio", 0.5, gpu="0", **side),
        expect("gpu:utilization_ratio", 0.25, gpu="1", **side),
        expect("gpu:memory_used_ratio", 0.75, gpu="0", **side),
        expect("gpu:memory_used_ratio", 0.5, gpu="1", **side),
        expect("gpu:power_watts", 300, gpu="1", **side),
        expect("lustre:bytes_rate", 4096, direction="read", fs="scratch", **side),
        expect("lustre:bytes_rate", None, direction="write", fs="scratch", **side),
        expect("lustre:operations_rate", 10, fs="scratch", **side),
        expect("cgroup:cpu_cores", 1.5, **side),
        expect("cgroup:memory_used_ratio", 0.25, **side),
    ]
    check(tmp_path, (given, wanted, []))
