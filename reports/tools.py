"""Loads by programs of others: figures of many operations without a record of each, and what a tool says of itself.

`load_result` has `aggregates` (`loadtests.aggregate.Aggregate`) and `warnings`. A percentile is told where its
operations are enough for it, by the same rule as for requests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reports.evidence import Evidence
from reports.honesty import RATE_SHARE, Level, finding
from reports.statistics import needed
from reports.words import count, display
from runs.manifest import Finding

FAILED_SHARE = 0.01
_PRINTED = ("0.5", "0.99")


@dataclass(frozen=True)
class Figures:
    """Operations of one kind on one target in one phase. Times in seconds."""

    phase: str
    target: str
    operation: str
    time: str
    count: int
    failed: int
    seconds: float
    bytes: float | None
    percentiles: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What is told about: `read, tmpfs`."""
        return f"{self.operation}, {self.target}" if self.target else self.operation


def measured(evidence: Evidence) -> list[Figures]:
    """Return the figures of the measured phases. What is not as it should be is left out."""
    names = {phase.name for phase in evidence.measured.phases}
    raw = evidence.load_result.get("aggregates")
    found = [_figures(item) for item in raw if isinstance(item, dict)] if isinstance(raw, list) else []
    return [figures for figures in found if figures is not None and figures.phase in names]


def _figures(item: Mapping[str, Any]) -> Figures | None:
    try:
        moved, shares = item.get("bytes"), item.get("percentiles") or {}
        figures = Figures(
            phase=str(item["phase"]),
            target=str(item.get("target", "")),
            operation=str(item["operation"]),
            time=str(item.get("time", "")),
            count=int(item["count"]),
            failed=int(item.get("failed", 0)),
            seconds=float(item["seconds"]),
            bytes=None if moved is None else float(moved),
            percentiles={str(share): float(value) for share, value in shares.items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return figures if figures.seconds > 0 and figures.count >= 0 else None


def headline(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """Yield what a tool left out, and rate, bandwidth and times of each kind of operation without records."""
    phases = [evidence.load_phase(phase.name) for phase in evidence.measured.phases]
    dropped = sum(n for phase in phases if isinstance(n := phase.get("dropped"), int))
    if dropped:
        yield _row("dropped", float(dropped), "requests", "called for by the schedule and never sent")
    several = len({figures.phase for figures in measured(evidence)}) > 1
    for figures in measured(evidence):
        # The phase says on what and how, where one load has several.
        name = f"{figures.operation}, {figures.phase}" if several else figures.name
        total = f"{figures.count:,} in {display(figures.seconds, 's')}"
        yield _row(f"{name}: rate", figures.count / figures.seconds, "ops/s", total)
        if figures.bytes:
            yield _row(
                f"{name}: bandwidth", figures.bytes / figures.seconds, "bytes/s", display(figures.bytes, "bytes")
            )
        for share in _PRINTED:
            value = figures.percentiles.get(share)
            if value is not None and figures.count >= needed(float(share)):
                yield _row(f"{name}: p{100 * float(share):g}", value, "s", figures.time or "as the tool tells it")


def _row(label: str, value: float, unit: str, detail: str) -> dict[str, Any]:
    text = f"{display(value, unit)} ({detail})"
    return {"label": label, "value": value, "unit": unit, "detail": detail, "text": text}


def operations_failed(evidence: Evidence) -> Iterator[Finding]:
    """Failed operations that have no record of their own are few, as `failures` demands of requests."""
    found = measured(evidence)
    failed, all_of_them = sum(each.failed for each in found), sum(each.count + each.failed for each in found)
    if failed:
        share = failed / all_of_them
        level: Level = "invalid" if share > FAILED_SHARE else "warning"
        text = f"{failed:,} of {count(all_of_them, 'operation')} failed ({display(share, 'ratio')})"
        yield finding("operations_failed", level, text, failed=failed, operations=all_of_them)


def tool_rate(evidence: Evidence) -> Iterator[Finding]:
    """Expect of a tool that keeps no requests the rate that it was asked for, within 5 % and the noise of a count."""
    found = measured(evidence)
    for phase in evidence.measured.phases:
        mine = [figures for figures in found if figures.phase == phase.name]
        if phase.rate is None or not mine:
            continue
        done, seconds = (
            sum(figures.count + figures.failed for figures in mine),
            max(figures.seconds for figures in mine),
        )
        asked = phase.rate * seconds
        if abs(done - asked) > max(RATE_SHARE * asked, 5.0 * asked**0.5):  # Poisson: five standard deviations
            rates = f"{display(done / seconds, 'ops/s')} where {display(phase.rate, 'ops/s')} were asked for"
            text = f"phase {phase.name}: the tool did {rates}"
            yield finding("tool_rate", "invalid", text, phase=phase.name, asked_per_second=phase.rate, operations=done)


def tool_told(evidence: Evidence) -> Iterator[Finding]:
    """Pass on what the load tool, or who read its results, found to say against them."""
    warnings = evidence.load_result.get("warnings")
    for text in warnings if isinstance(warnings, list) else ():
        yield finding("tool_told", "warning", str(text), generator=evidence.recipe.load.generator)
