"""Triton: means from its counters of microseconds, quantiles with --metrics-config summary_latencies=true.

Its quantiles cannot be added up over models: the slowest model's is shown, over Triton's own window of a minute. An
ensemble is counted beside the models that it is made of. Names from Triton's docs/user_guide/metrics.md.
"""

from prometheus.rules.base import QUANTILES, Group, Record, rate, ratio

_GOOD = rate("nv_inference_request_success")
_ENDED = f"{_GOOD} + {rate('nv_inference_request_failure')}"
_REQUESTS = "nv_trt_llm_request_metrics"
_BLOCKS = "sum by ($k, model, version) (nv_trt_llm_kv_cache_block_metrics{{kv_cache_block_type={0}}})"

_ELSE_VLLM = " unless on ($k) vllm:{0}"
"""Its vLLM backend brings vLLM's own series: those are finer, and one series must not come from two rules."""

GROUP = Group(
    "triton",
    records=(
        Record("service:request_rate", f"({_ENDED}){_ELSE_VLLM.format('request_success_total')}"),
        Record(
            "service:error_ratio",
            f"({ratio(rate('nv_inference_request_failure'), _ENDED)}){_ELSE_VLLM.format('request_success_total')}",
        ),
        *(
            Record(
                f"service:latency_seconds:p{100 * quantile:g}",
                f'(max by ($k) (nv_inference_request_summary_us{{quantile="{quantile:g}"}}) >= 0) / 1e6'
                + _ELSE_VLLM.format("e2e_request_latency_seconds_count"),
            )
            for quantile in QUANTILES
        ),
        Record(
            "service:latency_seconds:mean",
            f"({ratio(rate('nv_inference_request_duration_us'), _GOOD)}) / 1e6"
            + _ELSE_VLLM.format("e2e_request_latency_seconds_count"),
        ),
        Record(
            "service:queue_depth",
            "(sum by ($k) (nv_inference_pending_request_count))" + _ELSE_VLLM.format("num_requests_waiting"),
        ),
        Record("service:running_requests", f'sum by ($k) ({_REQUESTS}{{request_type="active"}})'),
        Record(
            "service:saturation_ratio",
            "max by ($k) (" + ratio(_BLOCKS.format('"used"'), _BLOCKS.format('"max"')) + ")",
        ),
    ),
    service=True,
)
