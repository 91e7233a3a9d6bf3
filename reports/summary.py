"""summary.json: the headline figures for machines. Names are stable; units stand in the names or beside the value."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from reports import objectives, operations, scenario, search, tools, unchecked
from reports.evidence import Evidence
from reports.sources import Source
from reports.statistics import Quantile
from reports.window import TIMES, Window
from reports.words import display
from runs.manifest import PhaseSpan, Verdict

SCHEMA_VERSION = 1
_MOST_OPERATIONS = 12
"""Operations that have headline figures of their own; of more there is the table."""
PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


def summarise(evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
    """Return the summary: times in seconds, shares as ratios (0 to 1), sizes in bytes, rates per second."""
    manifest, recipe, window = evidence.manifest, evidence.recipe, evidence.measured
    limits = objectives.judge(recipe.objectives, window, recipe.load.options)
    return {
        "schema_version": SCHEMA_VERSION,
        "id": manifest.id,
        "recipe": recipe.name,
        "generator": recipe.load.generator,
        "ending": manifest.ending,
        "reason": manifest.reason,
        "valid": verdict.valid,
        "findings": [finding.model_dump(mode="json") for finding in verdict.findings],
        "unchecked": [{"rules": list(one.rules), "reason": one.reason} for one in unchecked.unchecked(evidence)],
        "notes": manifest.notes,
        "headline": [row for row in _headlines(evidence) if row["value"] is not None],
        "measured": figures(window),
        "operations": {name: figures(part) for name, part in operations.windows(evidence).items()},
        "phases": {phase.name: _phase(evidence, phase) for phase in manifest.phases},
        "search": search.summary(evidence),
        "objectives": [
            {"name": o.name, "bound": o.bound, "value": o.value, "unit": o.unit, "state": o.state, "reason": o.reason}
            for o in limits
        ],
        "coverage": [
            {
                **item.target.model_dump(),
                "up_ratio": round(item.share, 4),
                "scrapes_up": item.up,
                "scrapes_expected": item.expected,
                "gap_seconds": round(item.gap, 3),
            }
            for item in evidence.coverage
        ],
        "sources": [_source(source) for source in evidence.sources],
        "timings_seconds": manifest.timings,
    }


def _headlines(evidence: Evidence) -> Iterator[dict[str, Any]]:
    yield from search.headline(evidence)
    yield from scenario.headline(evidence)
    parts = operations.windows(evidence)
    yield from headline(evidence.measured, parts if len(parts) <= _MOST_OPERATIONS else {})
    yield from tools.headline(evidence)


def _phase(evidence: Evidence, phase: PhaseSpan) -> dict[str, Any]:
    own = evidence.load_phase(phase.name)
    return {
        "measured": phase.measured,
        "started": phase.started.isoformat(),
        "ended": phase.ended.isoformat(),
        "asked_per_second": phase.rate,
        "users": phase.users,
        "client_cpu_seconds": own.get("cpu_seconds"),
        "client_loop_lag_max_seconds": own.get("loop_lag_max"),
        **figures(evidence.window([phase])),
    }


def _source(source: Source) -> dict[str, Any]:
    """Return a source: `collector` is "" for the target as a whole; a figure is null where there is none to have.

    Without `run_` it is of the measured phases.
    """
    measured, whole, ages, tally = source.measured, source.whole, source.ages, source.tally
    expected = source.state != "nothing to read"
    ended = datetime.fromtimestamp(measured.ended, UTC).isoformat() if measured.ended is not None else None
    return {
        **source.target.model_dump(),
        "collector": source.collector,
        "state": source.state,
        "reason": source.reason,
        "faults": list(source.faults),
        "losses": list(source.losses),
        "notes": list(source.notes),
        "up_ratio": _rounded(measured.share, 4) if expected else None,
        "scrapes_up": measured.good,
        "scrapes_expected": measured.expected,
        "gaps": measured.gaps if expected else None,
        "gap_seconds": _rounded(measured.longest, 3) if expected else None,
        "gap_ended": ended if expected else None,
        "run_up_ratio": _rounded(whole.share, 4) if expected else None,
        "run_gaps": whole.gaps if expected else None,
        "run_gap_seconds": _rounded(whole.longest, 3) if expected else None,
        "silent_seconds": _rounded(source.silence, 3),
        "age_p50_seconds": _rounded(ages.p50, 3) if ages else None,
        "age_max_seconds": _rounded(ages.most, 3) if ages else None,
        "timeouts": tally.timeouts if tally else None,
        "errors": tally.errors if tally else None,
        "parse_errors": tally.parse_errors if tally else None,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def figures(window: Window) -> dict[str, Any]:
    """Return the figures of some phases. A percentile that too few samples stand for is left out."""
    times: dict[str, dict[str, Any]] = {}
    for name in TIMES:
        samples = window.times(name)
        if len(samples):
            row: dict[str, Any] = {"n": len(samples), "mean": float(samples.mean()), "max": float(samples.max())}
            times[f"{name}_seconds"] = row | {q.name: _quantile(q) for q in window.quantiles(name, PERCENTILES)}
    return {
        "seconds": round(window.seconds, 6),
        "requests": window.count,
        "succeeded": window.succeeded,
        "failed": window.failed,
        "failed_ratio": window.error_ratio,
        "errors": window.errors,
        "retries": window.retries,
        "intended_per_second": window.offered_rate,
        "sent_per_second": window.sent_rate,
        "completed_per_second": window.completed_rate,
        "in_system_mean": window.in_system,
        "input_tokens_per_second": window.tokens_rate("in"),
        "output_tokens_per_second": window.tokens_rate("out"),
        "received_bytes_per_second": window.received_rate,
        "recall_mean": window.recall,
        **times,
    }


def _quantile(item: Quantile) -> dict[str, float]:
    return {"value": item.value, "low": item.low, "high": item.high}


def headline(window: Window, parts: Mapping[str, Window] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the most telling figures first: a label, the value with its unit, what it rests on, and all as text.

    Times and recall are those of each of `parts`, operations by name, where there are any: those of reads and writes,
    or of the values of a sweep, taken together are of none of them. Such rows name their `operation`.
    """
    if not window.count:
        return
    yield _row("completed", window.completed_rate, "req/s", f"{window.succeeded:,} of {window.count:,} succeeded")
    if not parts:
        yield from _times(window)
    for name, part in (parts or {}).items():
        rows = (*_times(part), _row("recall, mean", part.recall, "ratio", "against the exact answer"))
        for row in rows:
            yield row | {"label": f"{row['label']}, {name}", "operation": name}
    for direction in ("in", "out"):
        yield _row(f"tokens {direction}", window.tokens_rate(direction), "tokens/s", "as the server counts")
    if not parts:
        yield _row("recall, mean", window.recall, "ratio", "against the exact answer")
    yield _row("failed", window.error_ratio, "ratio", ", ".join(window.errors) or "none")


def _times(window: Window) -> Iterator[dict[str, Any]]:
    for name in ("ttft", "itl", "latency"):
        for found in window.quantiles(name, (0.5, 0.99) if name != "latency" else (0.5, 0.95, 0.99)):
            detail = f"{display(found.low, 's')} to {display(found.high, 's')}, n = {found.n:,}"
            row = _row(f"{TIMES[name]} {found.name}", found.value, "s", detail)
            yield row | {"low": found.low, "high": found.high, "n": found.n}


def _row(label: str, value: float | None, unit: str, detail: str) -> dict[str, Any]:
    text = f"{display(value, unit)} ({detail})"
    return {"label": label, "value": value, "unit": unit, "detail": detail, "text": text}
