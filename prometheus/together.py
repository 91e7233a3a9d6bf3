"""Several recordings on one time axis: when each ran, and by what `offset` PromQL lays one over the other.

Samples keep the time at which they were taken, and a TSDB cannot shift them; a query can: `x offset 1h` shows at a
moment what was there an hour before it. Negative offsets need no flag since Prometheus 2.33.
"""

import math
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Spell:
    """A run in a Prometheus that serves several.

    UTC seconds; `begin` is where its load began, or its first sample;
    `interval`: seconds between scrapes.
    """

    id: str
    start: float
    end: float
    begin: float
    interval: float = 1.0


def offset(spell: Spell, base: Spell) -> int:
    """Return the offset in milliseconds that lays a run's begin over that of `base`."""
    return round(1000 * (base.begin - spell.begin))


def modifier(spell: Spell, base: Spell) -> str:
    """Return the offset as PromQL writes it after a selector; "" for the base itself."""
    shift = offset(spell, base)
    return "" if shift == 0 else f" offset {'-' if shift < 0 else ''}{abs(shift)}ms"


def window(spells: Sequence[Spell]) -> tuple[float, float]:
    """Return start and end of what is to be seen: with the others laid over the first, as long as the longest."""
    base = spells[0]
    starts = [base.begin - (spell.begin - spell.start) for spell in spells]
    ends = [base.begin + (spell.end - spell.begin) for spell in spells]
    return min(starts), max(ends)


def view(spells: Sequence[Spell]) -> str:
    """Return the query part of a URL of Prometheus's graph page, with a range: without one it shows the last hour.

    One run: its phases. Several: the rate of answers of each, laid over the first. The range ends with a full minute,
    since the classic page (Debian's) cuts the seconds off.
    """
    start, end = window(spells)
    end = 60.0 * math.ceil(end / 60.0)
    base = spells[0]
    expression = "run_phase"
    if len(spells) > 1:
        expression = " or ".join(
            f'sum by (run_id) (rate(load_requests_total{{run_id="{spell.id}"}}[{_rate(spell)}]{modifier(spell, base)}))'
            for spell in spells
        )
    words = {
        "g0.expr": expression,
        "g0.tab": "0",
        "g0.end_input": datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "g0.range_input": f"{max(1.0, end - start):.0f}s",
    }
    return urllib.parse.urlencode(words)


def _rate(spell: Spell) -> str:
    """Return the window of a rate, as the recording rules have it: four scrapes, no less than 4 s."""
    return f"{round(1000 * max(4.0 * spell.interval, 4.0))}ms"
