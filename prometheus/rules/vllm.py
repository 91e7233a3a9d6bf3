"""vLLM, V0 and V1 engine: names changed, and with data parallelism each engine has its own series.

Names from vllm/v1/metrics/loggers.py (0.33) and vllm/engine/metrics.py (0.5). `or`, never a sum: some releases have
the old and the new name at once.
"""

from prometheus.rules.base import Alert, Group, Record, directed, first, rate, ratio, times

_ENDED = "vllm:request_success_total"
_KV = first("max by ($k) (vllm:kv_cache_usage_perc)", "max by ($k) (vllm:gpu_cache_usage_perc)")

GROUP = Group(
    "vllm",
    records=(
        Record("service:request_rate", rate(_ENDED)),
        # An abort is a client that went away: it had no whole answer.
        Record("service:error_ratio", ratio(rate(_ENDED, 'finished_reason=~"abort|error"'), rate(_ENDED))),
        *times("service:latency_seconds", "vllm:e2e_request_latency_seconds"),
        *times("service:ttft_seconds", "vllm:time_to_first_token_seconds"),
        *times("service:inter_token_seconds", "vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
        Record("service:queue_depth", "sum by ($k) (vllm:num_requests_waiting)"),
        Record("service:running_requests", "sum by ($k) (vllm:num_requests_running)"),
        # 0 to 1 in spite of its name; the fullest engine, since requests do not move between them.
        Record("service:saturation_ratio", _KV),
        *directed(
            "service:tokens_rate", in_=rate("vllm:prompt_tokens_total"), out=rate("vllm:generation_tokens_total")
        ),
    ),
    alerts=(
        Alert(
            "KvCacheFull",
            f"({_KV}) > 0.95",
            5,
            "warning",
            "KV cache of {{ $labels.job }} on {{ $labels.node }} is {{ $value | humanizePercentage }} full",
            "Requests wait or are preempted: lower --max-model-len or the load, or give the cache more memory.",
            unit="ratio",
        ),
        Alert(
            "Preemptions",
            f"{rate('vllm:num_preemptions_total')} > 0",
            0,
            "warning",
            "{{ $labels.job }} on {{ $labels.node }} preempts requests, {{ $value | humanize }} a second",
            "Preempted requests are computed again: lower --max-num-seqs, or give the KV cache more memory.",
            unit="/s",
        ),
    ),
    service=True,
)
