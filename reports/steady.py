"""Rules about the state of the service in the measured window: warmed up before it, and the same all through it.

A phase is cut into ten equal parts by intended time, and the median latency of each is looked at: a median of many
requests is close to normal, whatever one latency is like, and a single stall does not move it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reports.answers import not_cached
from reports.evidence import Evidence
from reports.honesty import Level, finding, kept_up
from reports.statistics import Floats
from reports.words import display
from runs.manifest import Finding, PhaseSpan

PARTS = 10
FEWEST = 10
"""Answers in each part; below that a median says little, and nothing is judged."""

_ODD = 13.26
"""What Student's t with eight degrees of freedom exceeds on either side once in a million clean phases."""

_ODD_COUNTS = 45.1
"""What chi-squared with nine degrees of freedom exceeds once in a million."""

DRIFT_SHARE, DRIFT_SHARE_INVALID = 0.25, 0.5
JUMP_SHARE, JUMP_SHARE_INVALID = 0.5, 1.0
WARMUP_SHARE, WARMUP_SHARE_INVALID = 0.25, 0.5
_WARM = (1, 2)
"""Parts at the beginning that may be a warm-up; a longer one is no steady state."""
_APART = 1.25
"""How many times the highest median of the quicker stretch the lowest of the slower one must be at a jump."""
_SHORTEST = 3
"""Parts on either side of a jump."""


@dataclass(frozen=True)
class _Parts:
    """A phase with the median latency of each of its parts, in seconds."""

    phase: PhaseSpan
    medians: Floats

    uneven: str = ""
    """How the load itself changed, where it did beyond the noise of a Poisson process: what it asked for may be why."""

    def level(self, change: float, most: float) -> Level:
        """Return how bad a change is: one of the load's own making is none of the service's."""
        return "invalid" if abs(change) > most and not self.uneven else "warning"

    def facts(self) -> dict[str, object]:
        return {"phase": self.phase.name, "medians_seconds": [round(float(m), 6) for m in self.medians]}


def steady(evidence: Evidence) -> Iterator[Finding]:
    """See that latency has no trend and no jump: the straight line through the parts' medians is level, and straight.

    With a trend a percentile depends on how long the phase was. The slope must be beyond noise (Student's t of the
    least-squares slope; GuideLLM's over-saturation test looks at the same slope at 95 %), and change the median by over
    50 % of itself from the first to the last part to be INVALID, by over 25 % for a warning. A level that changes at
    once (a neighbour that comes, a GPU that gets hot) is no line: the parts before and after must lie wholly apart, the
    difference be beyond their scatter, and the medians differ twofold to be INVALID, by over 50 % for a warning;
    queues at half of their capacity do so once in ten thousand phases of a hundred requests. Where the load itself
    changed (a ramp, a trace, bursts), the latency may follow it: a warning only. A phase that the service
    did not keep up with has such a trend by itself, and `kept_up` tells it; so has one whose later requests a cache
    answered, and `not_cached` does.
    """
    if _cached(evidence):
        return
    told = {found.evidence["phase"] for found in kept_up(evidence) if found.level == "invalid"}
    for parts in _phases(evidence):
        if parts.phase.name in told:
            continue
        slope, error = _line(parts.medians)
        change = slope * (PARTS - 1) / float(np.median(parts.medians))
        if abs(slope) <= _ODD * error or abs(change) <= DRIFT_SHARE:
            yield from _jump(parts)
            continue
        level = parts.level(change, DRIFT_SHARE_INVALID)
        way = "rose" if change > 0 else "fell"
        first, last = (display(float(parts.medians[index]), "s") for index in (0, -1))
        text = (
            f"phase {parts.phase.name}: the median latency {way} steadily, from {first} to {last}: "
            f"the service was not in a steady state{parts.uneven}"
        )
        yield finding("steady", level, text, change_ratio=round(change, 4), **parts.facts())


def _jump(parts: _Parts) -> Iterator[Finding]:
    """Find the split of the phase whose two sides differ the most beyond their scatter."""
    best: tuple[float, float, int] = (_ODD, 0.0, 0)
    for split in range(_SHORTEST, PARTS - _SHORTEST + 1):
        before, after = parts.medians[:split], parts.medians[split:]
        low, high = sorted((before, after), key=lambda side: float(side.mean()))
        squares = sum(float(((side - side.mean()) ** 2).sum()) for side in (low, high))
        scatter = math.sqrt(squares / (PARTS - 2) * (1 / len(low) + 1 / len(high)))
        gap = float(high.mean() - low.mean())
        if float(high.min()) > _APART * float(low.max()) and gap > best[0] * scatter:
            best = (gap / max(scatter, 1e-12), gap / float(low.mean()), split)
    _, change, split = best
    if not split or change <= JUMP_SHARE:
        return
    first, last = (display(float(np.median(side)), "s") for side in (parts.medians[:split], parts.medians[split:]))
    level = parts.level(change, JUMP_SHARE_INVALID)
    text = (
        f"phase {parts.phase.name}: the median latency went from {first} to {last} at {split / PARTS:.0%} of it, and "
        f"stayed there: these are two states of the service{parts.uneven}"
    )
    yield finding("steady", level, text, change_ratio=round(change, 4), at_ratio=split / PARTS, **parts.facts())


def warmed_up(evidence: Evidence) -> Iterator[Finding]:
    """See that the first tenths of a measured phase are like the rest: what warms up belongs into a phase before it.

    Only the first measured phase of a run is looked at. The medians of its first one or two parts must not lie above
    those of the others beyond their own scatter (a prediction interval) and by over 50 % (INVALID) or 25 % (warning).
    MLPerf and fio (`ramp_time`) leave a warm-up out of the measured time. A cache that fills is no warm-up:
    `not_cached` tells it.
    """
    if _cached(evidence):
        return
    for parts in list(_phases(evidence))[:1]:
        for cold in _WARM:
            first, rest = float(parts.medians[:cold].min()), parts.medians[cold:]
            usual = float(rest.mean())
            scatter = float(rest.std(ddof=1)) * math.sqrt(1.0 + 1.0 / len(rest))
            excess = first / usual - 1.0
            if first - usual <= _ODD * scatter or excess <= WARMUP_SHARE or first <= _APART * float(rest.max()):
                continue
            level = parts.level(excess, WARMUP_SHARE_INVALID)
            text = (
                f"phase {parts.phase.name} begins with a warm-up: the median latency of its first "
                f"{'tenth' if cold == 1 else 'fifth'} is {display(first, 's')}, later {display(usual, 's')}: put a "
                f"phase `warmup` before it{parts.uneven}"
            )
            yield finding("warmed_up", level, text, excess_ratio=round(excess, 4), **parts.facts())
            break


def _cached(evidence: Evidence) -> bool:
    """Tell whether later requests were quicker because a cache answered them."""
    return any(found.level == "invalid" for found in not_cached(evidence))


def judged(evidence: Evidence, phase: PhaseSpan) -> bool:
    """Tell whether a phase has answers enough in each of its parts to be judged."""
    return _cut(evidence, phase) is not None


def _phases(evidence: Evidence) -> Iterator[_Parts]:
    """Yield the measured phases that have answers enough in each part."""
    for phase in evidence.measured.phases:
        if (cut := _cut(evidence, phase)) is not None:
            medians = np.array([float(np.median(values)) for values in cut])
            yield _Parts(phase, medians, _uneven(phase, evidence.window([phase]).requests.at("intended")))


def _cut(evidence: Evidence, phase: PhaseSpan) -> list[Floats] | None:
    """Return the latencies of a phase part by part; None where there are too few."""
    begin, end = phase.started.timestamp(), phase.ended.timestamp()
    good = evidence.window([phase]).requests.good
    if end <= begin or len(good) < PARTS * FEWEST:
        return None
    part = np.floor((good.at("intended") - begin) / (end - begin) * PARTS).astype(np.int64)
    took = good.between("intended", "done")
    cut = [took[part == index] for index in range(PARTS)]
    return cut if min(map(len, cut)) >= FEWEST else None


def _uneven(phase: PhaseSpan, moments: Floats) -> str:
    """Say how an open loop's own rate changed, beyond noise (chi-squared over the parts). A closed loop has none."""
    if phase.rate is None:
        return ""
    counts = np.histogram(moments, bins=PARTS, range=(phase.started.timestamp(), phase.ended.timestamp()))[0]
    if float(((counts - counts.mean()) ** 2).sum()) <= _ODD_COUNTS * float(counts.mean()):
        return ""
    return f" (but the load changed too: {counts.min()} to {counts.max()} requests in a tenth of the phase)"


def _line(values: Floats) -> tuple[float, float]:
    """Return the slope of the least-squares line through equally spaced values, and its standard error."""
    x = np.arange(len(values)) - (len(values) - 1) / 2
    spread = float((x**2).sum())
    slope = float((x * values).sum() / spread)
    left = values - values.mean() - slope * x
    return slope, math.sqrt(float((left**2).sum()) / (len(values) - 2) / spread)
