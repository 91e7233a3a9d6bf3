"""What collectors say of what they read, beside whether they worked: exporter by exporter, under its metrics' names."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from reports.presence import misses
from reports.scrapes import NEVER, Counted, Key, Place, Scrapes
from reports.statistics import Floats
from reports.words import count

_REFUSALS = ("refused", "timeout", "error")
"""Outcomes of `lustre_client_probe` by which something that may be there was not had."""


@dataclass(frozen=True)
class Told:
    """The moments at which there was something to read (None: it worked, so there was), and lines for people.

    `reasons` are why there was not, the most frequent first; `optional`: a node without it is an ordinary node.
    `faults` speak against the recording; `losses` are what was refused, dropped or left out; `notes` are good to know.
    """

    good: Floats | None = None
    optional: bool = False
    reasons: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


NOTHING = Told()
"""What a collector says that only works or does not."""


def told(scrapes: Scrapes) -> Mapping[Place, Told]:
    """Return what our collectors say, by target and collector; a page is `page NAME`. Raises PrometheusError."""
    return {place: one for collector in (_gpu, _lustre, _pages, _otlp) for place, one in collector(scrapes)}


def _gpu(scrapes: Scrapes) -> Iterator[tuple[Place, Told]]:
    """`exporters.gpu`: which source told, what of a GPU it does not tell, what cannot be true."""
    reasons = scrapes.told("gpu_up", "reason", where='reason!=""')
    absent = scrapes.told("gpu_field_absent", "reason", "field")
    sources = scrapes.told("gpu_source_up", "source", "reason", where='reason!=""')
    implausible = scrapes.grown("gpu_implausible_values_total", "field")
    for place, good in scrapes.good("gpu_up").items():
        key = place[:2]
        fields: dict[str, list[str]] = {}
        for why, field in sorted(absent.get(key, ())):
            fields.setdefault(why, []).append(field)
        lines = {why: f"{why}: {', '.join(names)}" for why, names in fields.items()}
        losses = [lines.pop("refused")] if "refused" in lines else []
        if key in implausible:
            number = count(implausible[key].total(), "value")
            names = ", ".join(sorted(field for (field,) in implausible[key]))
            losses.append(f"{number} beyond what is possible: {names}")
        # Where no source told, the reason names them all itself.
        others = [f"{source}: {reason}" for source, reason in sources.get(key, ()) if key not in reasons]
        notes = (*lines.values(), *others)
        yield (*key, "gpu"), Told(good, True, _reasons(reasons, key), losses=tuple(losses), notes=notes)


def _lustre(scrapes: Scrapes) -> Iterator[tuple[Place, Told]]:
    """`exporters.lustre`: what was tried, and what hangs. A mount that hangs is no node without Lustre."""
    reasons = scrapes.told("lustre_client_up", "reason", where='reason!=""')
    probes = scrapes.told("lustre_client_probe", "step", "outcome", where=f'outcome=~"{"|".join(_REFUSALS)}"')
    hanging = scrapes.most("lustre_client_hanging_files")
    for place, good in scrapes.good("lustre_client_up").items():
        key = place[:2]
        most = round(hanging.get(key, 0.0))
        faults = (f"the reading of {count(most, 'file')} does not return",) if most else ()
        # Where there are no statistics the reason names the steps itself.
        notes = tuple(": ".join(pair) for pair in probes.get(key, ())) if len(good) else ()
        yield (*key, "lustre"), Told(good, not most, _reasons(reasons, key), faults, notes=notes)


def _pages(scrapes: Scrapes) -> Iterator[tuple[Place, Told]]:
    """`exporters.page`: each page is somebody's, so it should be there."""
    reasons = scrapes.told("page_up", "page", "reason", where='reason!=""')
    for place, good in scrapes.good("page_up", "page").items():
        mine = Counter(
            {reason: n for (page, reason), n in reasons.get(place[:2], Counter()).items() if page == place[2]}
        )
        yield (*place[:2], f"page {place[2]}"), Told(good, reasons=tuple(reason for reason, _ in mine.most_common()))


def _otlp(scrapes: Scrapes) -> Iterator[tuple[Place, Told]]:
    """`exporters.otlp`: what programs sent, as far as it was not kept."""
    heard = scrapes.told("otlp_requests_total", always=True)
    requests = scrapes.grown("otlp_requests_total", "code", "signal")
    points = scrapes.grown("otlp_points_dropped_total", "reason")
    spans = scrapes.grown("otlp_spans_dropped_total", "reason")
    logs = scrapes.grown("otlp_log_records_dropped_total")
    for place in scrapes.good("otlp_up"):
        key = place[:2]
        if key not in heard:
            yield (*key, "otlp"), Told(NEVER, True, ("no program sent anything to it",))
            continue
        losses = [
            f"{count(number, 'request')} of {signal} answered with {code}"
            for (code, signal), number in requests.get(key, Counter()).items()
            if code != "200"
        ]
        for noun, dropped in (("point", points), ("span", spans)):
            losses += [f"{count(n, noun)} dropped: {why}" for (why,), n in dropped.get(key, Counter()).items()]
        notes = (f"{count(logs[key].total(), 'log record')} not kept, as always",) if key in logs else ()
        yield (*key, "otlp"), Told(losses=tuple(losses), notes=notes)


def postgres(scrapes: Scrapes) -> dict[Key, Told]:
    """Return what postgres_exporter says of PostgreSQL, by target: `pg_up` is its connection.

    Its collectors are another matter: one that fails leaves both `pg_up` and last_scrape_error as they are (0.11.1).
    Raises PrometheusError.
    """
    found: dict[Key, Told] = {}
    errors = scrapes.good("pg_exporter_last_scrape_error")
    for place, good in scrapes.good("pg_up").items():
        failed = misses(good, np.setdiff1d(good, errors.get(place, NEVER)), scrapes.judged)
        text = f"some queries failed in {failed.count} of {count(failed.answered, 'scrape')}"
        lines = (text,) if failed.count else ()
        faults, notes = (lines, ()) if failed.many else ((), lines)
        found[place[:2]] = Told(good, reasons=("PostgreSQL cannot be reached",), faults=faults, notes=notes)
    return found


def _reasons(told: Counted, key: Key) -> tuple[str, ...]:
    return tuple(values[0] for values, _ in told.get(key, Counter()).most_common())
