"""Rules about the watching: was what happened seen, all the time, by what should have seen it?

Each takes the evidence and yields what it finds; `reports.verdict` applies them.
"""

from collections import defaultdict
from collections.abc import Iterator

from reports.evidence import Evidence
from reports.honesty import Level, finding
from reports.presence import GAP_INTERVALS
from reports.sources import Source
from reports.words import display
from runs.manifest import Finding

ESSENTIAL = ("service", "load")
_NAMED = 4
"""Sources that a finding names; of more it says how many."""


def targets_up(evidence: Evidence) -> Iterator[Finding]:
    """See that each target was watched through the measured phases: at most two scrapes in a row were missed.

    A longer gap (3.5 intervals, the half for jitter) of the service or the load makes the run INVALID: what happened
    in it nobody knows. A sidecar's gap is a hole in a curve and a warning.
    """
    interval = evidence.recipe.watch.interval
    for item in evidence.coverage:
        if item.gap <= GAP_INTERVALS * interval:
            continue
        target = item.target
        level: Level = "invalid" if target.role in ESSENTIAL else "warning"
        gap = f"{display(item.gap, 's')} without a good scrape (one each {display(interval, 's')})"
        if not item.up:
            gap = "never scraped in the measured phases"
        text = f"{target.job} on {target.node} was not watched all the time: {gap}"
        facts = {"job": target.job, "role": target.role, "node": target.node, "up_ratio": round(item.share, 4)}
        yield finding("targets_up", level, text, gap_seconds=round(item.gap, 3), **facts)


def sources(evidence: Evidence) -> Iterator[Finding]:
    """See that each part of a target gave fresh data whenever the target itself was scraped.

    A warning where a collector, or a page that it reads, gave nothing in three scrapes in a row or in over one in ten,
    as `targets_up` forgives a target two in a row; where files hang; and where values older than 3.5 intervals were
    shown again and again: for that long no new value came, which is a gap that looks like a flat line, and more than a
    chart's rate reaches over (four scrapes). Up to 3.5 s is never too old, since nvidia-smi is run each second and lctl
    each two. A page of the service that our exporter reads in Prometheus's place makes the run INVALID, as `targets_up`
    does for one that Prometheus reads. Scrapes that the target did not answer do not count: `targets_up` tells them.
    Refused and missing figures are no fault of the recording, nor is a node without a GPU or Lustre.
    """
    if not evidence.measured.phases:
        return
    pages = {"page", *(f"page {name}" for name in evidence.recipe.services)}
    jobs: dict[tuple[str, Level], list[Source]] = defaultdict(list)
    for source in evidence.sources:
        if source.faults:
            jobs[source.target.job, "invalid" if source.collector in pages else "warning"].append(source)
    for (job, level), faulty in jobs.items():
        named = [f"{source.name} on {source.target.node} ({', '.join(source.faults)})" for source in faulty[:_NAMED]]
        more = f"; and {len(faulty) - _NAMED} more, see the coverage table" if len(faulty) > _NAMED else ""
        text = " ".join(f"{job} did not tell everything all the time: {'; '.join(named)}{more}".split())
        shares = [source.measured.share for source in faulty if source.measured.share is not None]
        yield finding(
            "sources",
            level,
            text,
            job=job,
            collectors=sorted({source.name for source in faulty}),
            nodes=sorted({source.target.node for source in faulty}),
            up_ratio_min=round(min(shares, default=0.0), 4),
        )
