"""Model servers: vLLM, llama.cpp, Triton."""

from dataclasses import replace

from grafana.board import Board
from grafana.layout import Section
from grafana.needs import exporters, kinds
from grafana.palette import (
    BAD,
    BLUE,
    DIRECTIONS,
    GREEN,
    GREY,
    IN,
    LATENCIES,
    ORANGE,
    OUT,
    PURPLE,
    SERVICE,
    SKY,
    VERMILION,
)
from grafana.panels import bar_gauge, heatmap, stat, timeseries
from grafana.queries import Query, quantiles, ratio

_STREAMS = kinds("llamacpp", "vllm", "openai")
_VLLM = kinds("vllm", "openai")
_TRITON = "nv_inference_{}_duration_us"


def _renamed(new: str, old: str) -> list[Query]:
    """Return quantiles of a histogram by its name of today, else by the one it had.

    Never the sum of both: some releases offer the two at once.
    """
    pairs = zip(quantiles(new, LATENCIES), quantiles(old, LATENCIES), strict=True)
    return [replace(today, text=f"{today.text} or {before.text}") for today, before in pairs]


def _part(part: str) -> str:
    """Return seconds that an execution spends in a part of Triton: all models' time by all models' requests."""
    time = f"sum by (model) (rate({_TRITON.format(part)}{{NODE}}[RATE]))"
    return ratio(f"{time} / 1e6", "sum by (model) (rate(nv_inference_request_success{NODE}[RATE]))")


def _found(cache: str) -> str:
    """Return the share of tokens that a cache of vLLM held; V0 had `gpu_` before its name."""
    hits, queries = (f"sum(rate(vllm:{cache}_{what}_total{{NODE}}[RATE]))" for what in ("hits", "queries"))
    return ratio(hits, queries)


def _mean(part: str) -> str:
    name = f"vllm:request_{part}_time_seconds"
    return ratio(f"sum(rate({name}_sum{{NODE}}[RATE]))", f"sum(rate({name}_count{{NODE}}[RATE]))")


_COMMON = Section(
    "All model servers",
    [
        timeseries(
            "Requests ended",
            "How many requests a second does each server end, by its own count?",
            "reqps",
            Query("{{job}}", "sum by (job) (service:request_rate{NODE})"),
            needs=kinds("vllm", "openai", "triton"),  # llama.cpp counts none
        ),
        timeseries(
            "Running and waiting",
            "Does the server keep up? What waits has no slot.",
            "short",
            Query("{{job}} running", "sum by (job) (service:running_requests{NODE})", SERVICE),
            Query("{{job}} waiting", "sum by (job) (service:queue_depth{NODE})", BAD),
        ),
        timeseries(
            "Saturation",
            "How full is the KV cache of the fullest engine?",
            "percentunit",
            Query("{{job}}", "max by (job, node) (service:saturation_ratio{NODE})"),
            most=1,
            steps=[(0.9, BAD)],
            needs=_VLLM,
        ),
        timeseries(
            "Time to first token",
            "Do client and server agree on how long the first word takes? The gap is the way and the queue before it.",
            "s",
            Query("client p95", "max(load:ttft_seconds:p95{RUN})", BLUE),
            Query("{{job}} p50", "max by (job) (service:ttft_seconds:p50{NODE})", ORANGE),
            Query("{{job}} p95", "max by (job) (service:ttft_seconds:p95{NODE})", VERMILION),
            table=True,
            needs=_STREAMS,
        ),
        timeseries(
            "Tokens",
            "How many tokens a second does the server read and write?",
            "suffix: tok/s",
            Query("{{direction}}", "sum by (direction) (service:tokens_rate{NODE})"),
            colors=DIRECTIONS,
            needs=_STREAMS,
        ),
        stat(
            "Tokens for each joule",
            "How many tokens come out for the energy of all GPUs of the run?",
            "suffix: tok/J",
            Query(
                "tokens per joule",
                'sum(service:tokens_rate{NODE,direction="out"}) / (sum(gpu:power_watts{NODE}) > 0)',
            ),
            whole="mean",
            width=8,
            height=8,
            missing="no GPU power was recorded",
            needs=exporters("gpu"),
        ),
    ],
)

_VLLM_ROW = Section(
    "vLLM",
    [
        timeseries(
            "Requests of the engines",
            "How many requests run and wait? All engines of a data-parallel server together.",
            "short",
            Query("running", "sum(vllm:num_requests_running{NODE})", SERVICE),
            Query("waiting", "sum(vllm:num_requests_waiting{NODE})", BAD),
        ),
        timeseries(
            "Why they wait",
            "Do requests wait for room in the KV cache, or were they put off?",
            "short",
            Query("{{reason}}", "sum by (reason) (vllm:num_requests_waiting_by_reason{NODE})"),
        ),
        timeseries(
            "KV cache",
            "How full is the KV cache of the fullest engine? At 1 the next token throws a request out.",
            "percentunit",
            Query("in use", "max(vllm:kv_cache_usage_perc{NODE}) or max(vllm:gpu_cache_usage_perc{NODE})", SERVICE),
            most=1,
            steps=[(0.9, BAD)],
        ),
        timeseries(
            "Time to first token, server",
            "How long until the first token, from the arrival at the server? Right to its bucket's width.",
            "s",
            *quantiles("vllm:time_to_first_token_seconds", LATENCIES),
            table=True,
        ),
        timeseries(
            "Between tokens, server",
            "How long does each further token take?",
            "s",
            *_renamed("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
            table=True,
        ),
        timeseries(
            "Whole requests, server",
            "How long do requests take from arrival to end? Below 0.3 s the histogram has one bucket and guesses.",
            "s",
            *quantiles("vllm:e2e_request_latency_seconds", LATENCIES),
            table=True,
        ),
        timeseries(
            "Where the time goes",
            "Is a request's time spent in the queue, reading the prompt or writing the answer? Means, added up.",
            "s",
            Query("queue", _mean("queue"), BAD),
            Query("prefill", _mean("prefill"), IN),
            Query("decode", _mean("decode"), OUT),
            stacked=True,
        ),
        timeseries(
            "Prompt tokens by source",
            "How many prompt tokens were computed, and how many came from a cache?",
            "suffix: tok/s",
            Query("{{source}}", "sum by (source) (rate(vllm:prompt_tokens_by_source_total{NODE}[RATE]))"),
            stacked=True,
        ),
        timeseries(
            "Prefix cache",
            "Which share of the prompts' tokens was found in the prefix cache?",
            "percentunit",
            Query(
                "found",
                f"{_found('prefix_cache')} or {_found('gpu_prefix_cache')}",
                GREEN,
            ),
            most=1,
        ),
        timeseries(
            "Preemptions",
            "How often was a request thrown out of the KV cache, to be computed again?",
            "cps",
            Query("preemptions", "sum(rate(vllm:num_preemptions_total{NODE}[RATE]))", BAD),
        ),
        timeseries(
            "How requests ended",
            "Did answers end by themselves, by their length limit, or badly?",
            "reqps",
            Query("{{finished_reason}}", "sum by (finished_reason) (rate(vllm:request_success_total{NODE}[RATE]))"),
            stacked=True,
        ),
        heatmap(
            "Tokens of an engine step",
            "How large are the batches that the engines compute at once?",
            "short",
            "vllm:iteration_tokens_total",
            width=8,
            height=8,
        ),
    ],
    needs=_VLLM,
)

_LLAMA = Section(
    "llama.cpp",
    [
        timeseries(
            "Slots",
            "How many requests are worked on, and how many wait for a slot?",
            "short",
            Query("processing", "sum(llamacpp:requests_processing{NODE})", SERVICE),
            Query("deferred", "sum(llamacpp:requests_deferred{NODE})", BAD),
        ),
        timeseries(
            "Tokens of the server",
            "How many tokens a second are read, taken from the cache, and written?",
            "suffix: tok/s",
            Query("prompt", "sum(rate(llamacpp:prompt_tokens_total{NODE}[RATE]))", IN),
            Query("prompt, cached", "sum(rate(llamacpp:prompt_tokens_cached_total{NODE}[RATE]))", GREEN),
            Query("written", "sum(rate(llamacpp:tokens_predicted_total{NODE}[RATE]))", OUT),
        ),
        timeseries(
            "Time of a token",
            "How much of the server's time does a token take, to read and to write? Means.",
            "s",
            Query(
                "read",
                ratio(
                    "sum(rate(llamacpp:prompt_seconds_total{NODE}[RATE]))",
                    "sum(rate(llamacpp:prompt_tokens_total{NODE}[RATE]))",
                ),
                IN,
            ),
            Query(
                "written",
                ratio(
                    "sum(rate(llamacpp:tokens_predicted_seconds_total{NODE}[RATE]))",
                    "sum(rate(llamacpp:tokens_predicted_total{NODE}[RATE]))",
                ),
                OUT,
            ),
        ),
        timeseries(
            "Steps",
            "How many times a second is the model computed?",
            "cps",
            Query("decoding steps", "sum(rate(llamacpp:n_decode_total{NODE}[RATE]))", SERVICE),
            width=12,
        ),
        timeseries(
            "Busy slots",
            "How many requests share a step? A mean since the server's start, as the server gives it.",
            "short",
            Query("slots a step", "max(llamacpp:n_busy_slots_per_decode{NODE})", SERVICE),
            width=12,
        ),
    ],
    needs=kinds("llamacpp", "embeddings", "openai"),
)

_TRITON_ROW = Section(
    "Triton",
    [
        timeseries(
            "Requests of models",
            "How many requests a second does each model answer, and how many fail?",
            "reqps",
            Query("{{model}}", "sum by (model) (rate(nv_inference_request_success{NODE}[RATE]))"),
            Query("{{model}} failed", "sum by (model) (rate(nv_inference_request_failure{NODE}[RATE]))", BAD),
        ),
        timeseries(
            "Pending",
            "How many requests wait to be executed?",
            "short",
            Query("{{model}}", "sum by (model) (nv_inference_pending_request_count{NODE})"),
        ),
        timeseries(
            "Batch",
            "How many inferences are executed at once? Above 1, the dynamic batcher or the clients' batches work.",
            "short",
            Query(
                "{{model}}",
                "sum by (model) (rate(nv_inference_count{NODE}[RATE]))"
                " / (sum by (model) (rate(nv_inference_exec_count{NODE}[RATE])) > 0)",
            ),
        ),
        timeseries(
            "Where a request's time goes",
            "Is it the queue, the inputs, the model or the outputs? Means of all requests, added up.",
            "s",
            Query("{{model}} queue", _part("queue"), BAD),
            Query("{{model}} input", _part("compute_input"), SKY),
            Query("{{model}} model", _part("compute_infer"), ORANGE),
            Query("{{model}} output", _part("compute_output"), PURPLE),
            stacked=True,
        ),
        timeseries(
            "Latency, the server's quantiles",
            "How long do requests take, by Triton's own summaries? There with `summary_latencies: true` only.",
            "s",
            Query(
                "{{model}} {{quantile}}",
                'max by (model, quantile) (nv_inference_request_summary_us{NODE,quantile=~"0.5|0.95|0.99"}) / 1e6',
            ),
            table=True,
        ),
        bar_gauge(
            "Busy models",
            "In how many instances on average did each model compute?",
            "short",
            Query("{{model}}", "sum by (model) (rate(nv_inference_compute_infer_duration_us{NODE}[RATE])) / 1e6"),
            whole="mean",
        ),
        timeseries(
            "CPU of the machine, as Triton sees it",
            "How busy is the machine that Triton runs on?",
            "percentunit",
            Query("busy", "max(nv_cpu_utilization{NODE})", SERVICE),
            most=1,
            width=12,
        ),
        timeseries(
            "Pinned memory",
            "How much of the pool for copies to GPUs is in use?",
            "bytes",
            Query("used", "sum(nv_pinned_memory_pool_used_bytes{NODE})", SERVICE),
            Query("pool", "sum(nv_pinned_memory_pool_total_bytes{NODE})", GREY, dashed=True),
            width=12,
        ),
    ],
    needs=kinds("triton"),
)

BOARD = Board(
    name="llm",
    title="LLM and inference",
    description="Model servers from within: queues, caches, tokens, and where a request's time goes.",
    needs=kinds("llamacpp", "embeddings", "vllm", "openai", "triton"),
    sections=[_COMMON, _VLLM_ROW, _LLAMA, _TRITON_ROW],
)
