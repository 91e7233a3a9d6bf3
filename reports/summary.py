"""summary.json: the headline figures for machines, and the words in which people are told them."""

from typing import Any

from reports import objectives
from reports.evidence import Evidence, Window
from reports.statistics import Quantile, quantile
from runs.manifest import PhaseSpan, Verdict

SCHEMA_VERSION = 1
_PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
_TIMES = ("latency", "service", "ttft", "itl", "tpot", "lag")


def summarise(evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
    """Return the summary. Times in seconds, shares as ratios, rates per second."""
    window = evidence.measured
    return {
        "schema_version": SCHEMA_VERSION,
        "id": evidence.manifest.id,
        "ending": evidence.manifest.ending,
        "valid": verdict.valid,
        "findings": [finding.model_dump(mode="json") for finding in verdict.findings],
        "headline": headline(window),
        "measured": figures(window),
        "phases": {phase.name: _phase(evidence, phase) for phase in evidence.manifest.phases},
        "objectives": [
            {"name": o.name, "bound": o.bound, "value": o.value, "state": o.state}
            for o in objectives.judge(evidence.recipe.objectives, window)
        ],
        "coverage": [
            {**c.target.model_dump(), "up_ratio": round(c.share, 4), "gap_seconds": c.gap} for c in evidence.coverage
        ],
        "timings_seconds": evidence.manifest.timings,
    }


def _phase(evidence: Evidence, phase: PhaseSpan) -> dict[str, Any]:
    return {"measured": phase.measured, **figures(evidence.window([phase]))}


def figures(window: Window) -> dict[str, Any]:
    """Return the figures of some phases. A percentile that too few samples stand for is left out."""
    times: dict[str, dict[str, Any]] = {}
    for name in _TIMES:
        samples = window.times(name)
        if len(samples):
            found = [item for p in _PERCENTILES if (item := quantile(samples, p)) is not None]
            mean = float(samples.mean())
            times[f"{name}_seconds"] = {"n": len(samples), "mean": mean, **{_name(q.p): _quantile(q) for q in found}}
    requests = window.requests
    return {
        "seconds": round(window.seconds, 3),
        "requests": window.count,
        "succeeded": window.succeeded,
        "failed": window.failed,
        "errors": window.errors,
        "retries": requests.retries,
        "intended_per_second": window.count / window.seconds if window.seconds else None,
        "completed_per_second": window.completed_rate,
        "output_tokens_per_second": window.tokens_rate,
        "recall_mean": window.recall,
        **times,
    }


def _quantile(item: Quantile) -> dict[str, float]:
    return {"value": item.value, "low": item.low, "high": item.high}


def _name(p: float) -> str:
    return f"p{100 * p:g}"


def headline(window: Window) -> list[dict[str, Any]]:
    """Return five or so figures, the most telling first: label, text, and the plain value with its unit."""
    rows: list[dict[str, Any]] = []

    def add(label: str, value: float | None, unit: str, detail: str = "") -> None:
        if value is not None:
            row = {"label": label, "value": value, "unit": unit, "detail": detail}
            rows.append({**row, "text": " ".join(part for part in (display(value, unit), detail) if part)})

    add("completed", window.completed_rate, "req/s", f"({window.succeeded} of {window.count})")
    for name, label in (("ttft", "time to first token"), ("itl", "between tokens"), ("latency", "latency")):
        for p in (0.5, 0.99) if name == "latency" or len(window.times(name)) else ():
            if found := quantile(window.times(name), p):
                span = f"[{display(found.low, 's')}, {display(found.high, 's')}]"
                add(f"{label} {_name(p)}", found.value, "s", span)
    add("output tokens", window.tokens_rate, "tokens/s")
    add("recall", window.recall, "ratio")
    add("failed", window.error_ratio, "ratio", f"({window.failed} of {window.count})")
    return rows


def display(value: float, unit: str) -> str:
    """Write a value with its unit as people read it: 12.3 ms, 95.1 %, 4.0 req/s."""
    if unit == "s":
        for factor, word in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(value) >= factor or word == "µs":
                return f"{value / factor:.3g} {word}" if abs(value) < 1000 * factor else f"{value / factor:.0f} {word}"
    if unit == "ratio":
        return f"{100 * value:.3g} %"
    return f"{value:,.1f} {unit}"
