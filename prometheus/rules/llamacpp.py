"""llama.cpp's server: tokens and slots; it counts no requests, and has no histogram. Names from its server.cpp.

How many slots there are it does not tell: only releases before 2025-07 have a ratio, of the KV cache.
Tokens are counted when a request ends.
"""

from prometheus.rules.base import Group, Record, directed, rate, ratio

GROUP = Group(
    "llamacpp",
    records=(
        Record(
            "service:inter_token_seconds:mean",
            ratio(rate("llamacpp:tokens_predicted_seconds_total"), rate("llamacpp:tokens_predicted_total")),
        ),
        Record("service:queue_depth", "sum by ($k) (llamacpp:requests_deferred)"),
        Record("service:running_requests", "sum by ($k) (llamacpp:requests_processing)"),
        Record("service:saturation_ratio", "max by ($k) (llamacpp:kv_cache_usage_ratio)"),
        *directed(
            "service:tokens_rate",
            in_=rate("llamacpp:prompt_tokens_total"),
            out=rate("llamacpp:tokens_predicted_total"),
        ),
    ),
    service=True,
)
