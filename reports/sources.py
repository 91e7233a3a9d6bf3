"""The sources of a recording: what gave data and can fail alone, a collector of a sidecar or a whole target."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

import numpy as np

from prometheus.client import Series
from reports.parts import Part, Tally, parts
from reports.presence import GAP_INTERVALS, STREAK, Presence, Span, misses, presence
from reports.scrapes import NEVER, Scrapes
from reports.statistics import Floats, nearest_rank
from reports.words import clock, count, display
from runs.manifest import Target

State = Literal["ok", "degraded", "nothing to read", "down"]

STALE_SECONDS = 3.5
"""Up to this age no value is stale, however often it is scraped: nvidia-smi is run each second, lctl each two."""


@dataclass(frozen=True)
class Ages:
    """How old the values were that a source gave, in seconds: the median over all scrapes, and the oldest."""

    p50: float
    most: float


@dataclass(frozen=True)
class Source:
    """One source; `collector` is "" where the target as a whole is meant.

    `measured` is about the measured phases, `whole` about all that was recorded. `reason` is why there was nothing to
    read, which is no fault. `faults` are worth a warning; `losses` were refused, dropped or left out; `silence` is how
    long before the end of the recording it gave data last, in seconds, None if it never did.
    """

    target: Target
    collector: str
    measured: Presence
    whole: Presence
    reason: str = ""
    faults: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ages: Ages | None = None
    tally: Tally | None = None
    silence: float | None = None

    @property
    def name(self) -> str:
        """The collector, or the job where the target as a whole is meant."""
        return self.collector or self.target.job

    @property
    def state(self) -> State:
        """One word: `nothing to read` is neutral, `down` gave no data at all though it should have."""
        judged = self.measured if self.measured.expected else self.whole
        if self.reason:
            return "degraded" if self.faults else "nothing to read"
        if not judged.good:
            return "down"
        return "degraded" if self.faults or self.losses or judged.holed else "ok"


def gather(scrapes: Scrapes, targets: Sequence[Target], phases: Sequence[Span], interval: float) -> tuple[Source, ...]:
    """Return the sources of all targets, target by target; `phases` are the measured ones. Raises PrometheusError."""
    known = parts(scrapes)
    watch = _Watch(scrapes, tuple(phases), interval)
    found: list[Source] = []
    for target in targets:
        key = target.job, target.instance
        up = scrapes.up.get(key, NEVER)
        found += [watch.source(target, part) for part in known.get(key) or [Part("", up, up)]]
    return tuple(found)


@dataclass(frozen=True)
class _Watch:
    """Judges parts by the spans that count."""

    scrapes: Scrapes
    phases: tuple[Span, ...]
    interval: float

    @cached_property
    def _ends(self) -> Span | None:
        """From the first scrape of all, or the first phase, to the last; None where there was neither."""
        spans = [*self.phases, *([self.scrapes.whole] if self.scrapes.whole else [])]
        return (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None

    @cached_property
    def _whole(self) -> tuple[Span, ...]:
        """The same as spans, without half an interval: Prometheus spreads the first scrapes of targets over one."""
        if self._ends is None:
            return ()
        start, end = self._ends
        return ((min(start + self.interval / 2, *(begin for begin, _ in self.phases), end), end),)

    def source(self, target: Target, part: Part) -> Source:
        """Make a source of a part."""
        told, ages = part.told, _ages(part.ages)
        good = part.worked if told.good is None else told.good
        reason = told.reasons[0] if told.optional and told.reasons and not len(good) else ""
        failures = list(self._failures(part, part.worked if reason else good))
        old = f"values up to {display(ages.most, 's')} old (median {display(ages.p50, 's')})" if ages else ""
        silence = max(0.0, self._ends[1] - float(good[-1])) if len(good) and self._ends else None
        return Source(
            target=target,
            collector=part.collector,
            measured=presence(good, self.phases, self.interval),
            whole=presence(good, self._whole, self.interval),
            reason=reason,
            faults=(
                *told.faults,
                *(line for line, many in failures if many),
                *([old] if part.ages and self._stale(part.asked, part.ages) else []),
            ),
            losses=(*told.losses, *self._losses(part, neutral=bool(reason))),
            notes=(*told.notes, *(line for line, many in failures if not many), *self._last_words(part, good, silence)),
            ages=ages,
            tally=part.tally,
            silence=silence,
        )

    def _failures(self, part: Part, good: Floats) -> Iterator[tuple[str, bool]]:
        """Yield at how many scrapes it did not work, or worked and found nothing, and whether these are many."""
        why = f": {part.told.reasons[0]}" if part.told.reasons else ""
        for what, asked, there, more in (
            ("failed", part.asked, part.worked, _counts(part.tally)),
            ("nothing to read", part.worked, good, why),
        ):
            missed = misses(asked, there, self.scrapes.judged)
            if missed.count:
                yield f"{what} in {missed.count} of {count(missed.answered, 'scrape')}{more}", missed.many

    def _losses(self, part: Part, *, neutral: bool) -> Iterator[str]:
        if part.tally and part.tally.parse_errors:
            yield f"{count(part.tally.parse_errors, 'line or value', 'lines or values')} could not be read"
        asked = presence(part.asked, self.phases or self._whole, self.interval)
        if len(part.asked) and asked.holed and not neutral:
            yield f"{count(max(1, asked.expected - asked.good), 'scrape')} missing"

    def _stale(self, asked: Floats, ages: Series) -> bool:
        """Tell whether an old value was shown again and again.

        Too old is what no new value came for in as long as a gap may be. Each must have been shown at STREAK scrapes:
        a value is old too where nobody asked for a while, and that is the target's gap.
        """
        limit = max(GAP_INTERVALS * self.interval, STALE_SECONDS)
        first = np.searchsorted(asked, ages.times - ages.values, side="right")
        shown = np.searchsorted(asked, ages.times, side="right") - first
        return bool(((ages.values > limit) & (shown >= STREAK)).any())

    def _last_words(self, part: Part, good: Floats, silence: float | None) -> Iterator[str]:
        if not len(part.asked) and self.scrapes.recorded is None:
            yield "no series were saved"
        elif not len(part.asked):
            yield "never scraped"
        elif silence is not None and silence > GAP_INTERVALS * self.interval:
            last = clock(datetime.fromtimestamp(float(good[-1]), UTC))
            yield f"nothing since {last} UTC, {display(silence, 's')} before the end"


def _counts(tally: Tally | None) -> str:
    if tally is None or not (tally.timeouts or tally.errors):
        return ""
    return f" ({count(tally.timeouts, 'timeout')}, {count(tally.errors, 'error')})"


def _ages(series: Series | None) -> Ages | None:
    if series is None:
        return None
    known = series.values[~np.isnan(series.values)]
    return Ages(nearest_rank(np.sort(known), 0.5), float(known.max())) if len(known) else None
