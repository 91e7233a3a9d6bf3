"""Rules about what the services and the nodes say themselves: do they tell the same story as the client?"""

from collections.abc import Iterator

from reports.evidence import Evidence
from reports.honesty import Level, finding
from reports.servers import MEASURES, Count
from reports.words import display
from runs.manifest import Finding

COUNT_SHARE, COUNT_SLACK = 0.01, 2.0
_ANSWERED = 3
"""Requests by which something on a page must have moved."""
SKEW_SECONDS, SKEW_SECONDS_INVALID = 0.1, 0.5


def counts_agree(evidence: Evidence) -> Iterator[Finding]:
    """Hold what the service counted against what the client sent, from the first phase on.

    More than was sent is somebody else's traffic, which the figures then share the service with; less than was
    answered is answers that the service does not know of. Within 1 % and two. What a service counted between its last
    scrape and a restart nobody knows: then `not_restarted` tells. (AIPerf and inference-perf collect both sides and
    compare nothing.)
    """
    restarted = {job for job, _ in evidence.servers.restarted}
    for count, least, most in comparable(evidence):
        if count.job in restarted:
            continue
        slack = max(COUNT_SLACK, COUNT_SHARE * most)
        told = {"job": count.job, "metric": count.metric, "server": count.number}
        unit = count.unit if count.operation is None else f"{count.operation} {count.unit}"
        facts = {**told, "client_least": least, "client_most": most}
        if count.number > most + slack:
            text = (
                f"{count.job} counted {count.number:,} {unit} ({count.metric}), the client sent {most:,.0f}: "
                "others used the service too"
            )
            yield finding("counts_agree", "invalid", text, **facts)
        elif count.number < least - slack:
            text = (
                f"{count.job} counted {count.number:,} {unit} ({count.metric}), the client has {least:,.0f}: "
                "something else answered, or the service lost count"
                f"{'' if count.unit == 'requests' else ', or tells of more in its answers than it made'}"
            )
            yield finding("counts_agree", "invalid", text, **facts)


def comparable(evidence: Evidence) -> Iterator[tuple[Count, float, float]]:
    """Yield what services counted and the client knows too, with the least and the most that it may be."""
    if evidence.manifest.ending != "completed":
        return  # what a load that was cut off had open has no record
    for count in evidence.servers.counts:
        requests = evidence.requests
        if count.operation is not None:
            requests = requests.select(requests.operation.among({count.operation}))
            if not len(requests):
                continue  # a tool that tells no operations
        known = MEASURES[count.unit](requests) if _of_the_same(evidence, count) else None
        if known is not None:
            yield count, *known


def _of_the_same(evidence: Evidence, count: Count) -> bool:
    """Tell whether the records hold what was counted.

    Those of a load of several services hold the tokens of its `llm` alone; a program of others may count tokens by a
    tokenizer of its own.
    """
    load, targets = evidence.recipe.load, evidence.recipe.load.targets
    if count.job not in evidence.recipe.targets:
        return False
    if count.unit == "requests":
        return True
    roles = [role for role, name in targets.items() if name == count.job]
    return load.generator != "command" and (not targets or roles == ["llm"])


def not_restarted(evidence: Evidence) -> Iterator[Finding]:
    """See that no service began anew within the measured phases: its start is in the latencies, its caches were empty.

    Its counters fall together then, or its process_start_time_seconds changes (Prometheus calls that a reset).
    """
    for job, instance in evidence.servers.restarted:
        text = f"{job} ({instance}) was started anew in the measured phases: its counters began again"
        yield finding("not_restarted", "invalid", text, job=job, instance=instance)


def not_frozen(evidence: Evidence) -> Iterator[Finding]:
    """See that what a service tells moves while it answers: a page that never changes is not watched but repeated.

    INVALID where nothing on the page of a service under load changed in ten scrapes, in which three requests at least
    were answered (of each of its instances). A node whose own time stood still is a warning.
    """
    done = evidence.requests.good.at("done")
    jobs = {target.job for target in evidence.manifest.targets if target.role == "service"}
    for still in evidence.servers.still:
        instances = sum(target.job == still.job for target in evidence.manifest.targets)
        answered = int(((done > still.start) & (done < still.end)).sum())
        told = f"told the same figures for {display(still.end - still.start, 's')}"
        facts = {"job": still.job, "instance": still.instance, "seconds": round(still.end - still.start, 3)}
        if still.job not in jobs:
            text = f"{still.job} ({still.instance}) {told}, its own time among them: frozen"
            yield finding("not_frozen", "warning", text, **facts)
        elif still.job in evidence.recipe.targets and answered >= _ANSWERED * instances:
            text = f"{still.job} ({still.instance}) {told}, though it answered {answered:,} requests meanwhile: frozen"
            yield finding("not_frozen", "invalid", text, answered=answered, **facts)


def clocks_agree(evidence: Evidence) -> Iterator[Finding]:
    """See that the nodes' clocks agree and do not jump: else curves of two nodes, or of client and service, do not fit.

    A node's clock is held against the head's, the load's against its own monotonic one. INVALID from half a second or a
    scrape interval, whatever is more; a warning from 0.1 s. Latencies are measured by the monotonic clock, which none
    of this touches.
    """
    limit = max(SKEW_SECONDS_INVALID, evidence.recipe.watch.interval)
    found = [(f"the clock of {clock.node} is off by", clock.ahead) for clock in evidence.servers.clocks]
    found += [
        (f"the clock of {clock.node} moved against the head's by", clock.step) for clock in evidence.servers.clocks
    ]
    step = evidence.load_result.get("clock_step")
    found += [("the clock of the load's node was set anew by", step)] if isinstance(step, float) else []
    for what, value in found:
        if abs(value) > SKEW_SECONDS:
            level: Level = "invalid" if abs(value) > limit else "warning"
            yield finding("clocks_agree", level, f"{what} {display(abs(value), 's')}", seconds=round(value, 3))
