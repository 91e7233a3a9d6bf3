"""Which rules of the verdict had nothing to look at: that they found nothing says nothing.

One function a reason, by entry; a rule without one always has what it needs, or tells by a finding that it has not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reports import agreement, steady, tools
from reports.evidence import Evidence
from reports.servers import STILL_SCRAPES
from reports.words import display


@dataclass(frozen=True)
class Unchecked:
    """Rules that could not be applied, and what was missing."""

    rules: tuple[str, ...]
    reason: str


Look = Callable[[Evidence], str | None]
"""Tells what is missing; None: nothing."""


def unchecked(evidence: Evidence) -> Iterator[Unchecked]:
    """Yield what nobody could see. A run without a measured request is told as that alone."""
    if not evidence.measured.count and not tools.measured(evidence):
        return
    for rules, look in LOOKS.items():
        if (reason := look(evidence)) is not None:
            yield Unchecked(rules, reason)


def _no_requests(evidence: Evidence) -> str | None:
    generator = evidence.recipe.load.generator
    return None if evidence.measured.count else f"the load ({generator}) keeps no record of each request"


def _no_client_cpu(evidence: Evidence) -> str | None:
    names = [phase.name for phase in evidence.measured.phases]
    told = any(evidence.load_phase(name).get("cpu_seconds") is not None for name in names)
    return None if told or not names else "the load did not tell its CPU time"


def _no_pages(evidence: Evidence) -> str | None:
    watched = {target.job for target in evidence.manifest.targets if target.role == "service"}
    unseen = [name for name in evidence.recipe.targets if name not in watched]
    return f"{', '.join(unseen)}: no page of metrics was scraped" if unseen else None


def _no_counts(evidence: Evidence) -> str | None:
    if evidence.manifest.ending != "completed":
        return "the run did not come to its planned end: the client does not know what it had open"
    compared = {count.job for count, _, _ in agreement.comparable(evidence)}
    unseen = [name for name in evidence.recipe.targets if name not in compared]
    if not unseen:
        return None
    counted = {count.job for count in evidence.servers.counts} & set(unseen)
    why = "requests failed, or told no tokens" if counted else "no counter of what it answered is known"
    return f"{', '.join(unseen)}: {why}, so that the requests of others would not be seen"


def _too_short_to_freeze(evidence: Evidence) -> str | None:
    interval = evidence.recipe.watch.interval
    longest = max((end - begin for begin, end in evidence.spans), default=0.0)
    if longest >= STILL_SCRAPES * interval:
        return None
    return f"no measured phase holds {STILL_SCRAPES} scrapes (one each {display(interval, 's')})"


def _too_few_answers(evidence: Evidence) -> str | None:
    short = [phase.name for phase in evidence.measured.phases if not steady.judged(evidence, phase)]
    if not short or not evidence.measured.count:
        return None
    return f"phase {', '.join(short)}: fewer than {steady.FEWEST} good answers in a tenth of it"


def _nodes(evidence: Evidence) -> set[str]:
    return {target.node for target in evidence.manifest.targets}


def _no_machines(evidence: Evidence) -> str | None:
    unseen = sorted(_nodes(evidence) - {machine.node for machine in evidence.machines})
    return f"{', '.join(unseen)}: node_exporter or the sidecar process told nothing" if unseen else None


def _no_alerts(evidence: Evidence) -> str | None:
    return "no rules were evaluated" if evidence.alerts is None else None


def _no_clocks(evidence: Evidence) -> str | None:
    nodes = _nodes(evidence)
    unseen = sorted(nodes - {clock.node for clock in evidence.servers.clocks})
    return f"{', '.join(unseen)}: node_exporter told no time" if unseen and len(nodes) > 1 else None


LOOKS: dict[tuple[str, ...], Look] = {
    ("client_lag", "kept_up", "little", "asked_rate", "records_whole"): _no_requests,
    ("client_cpu",): _no_client_cpu,
    ("targets_up", "not_restarted"): _no_pages,
    ("counts_agree",): _no_counts,
    ("not_frozen",): _too_short_to_freeze,
    ("warmed_up", "steady"): _too_few_answers,
    ("alone", "light_watching"): _no_machines,
    ("machines_well",): _no_alerts,
    ("clocks_agree",): _no_clocks,
}
