"""A rule about the records themselves: are they all there, each once, and could they have happened?"""

from collections.abc import Iterator

import numpy as np

from reports.evidence import Evidence
from reports.honesty import finding
from reports.requests import Requests
from reports.statistics import Flags
from reports.words import count
from runs.manifest import Finding

CLOCK_SECONDS = 0.002
"""By how much a moment may come before the one that it follows: tools of others tell whole milliseconds."""
EDGE_SECONDS = 0.1
"""By how much a request may lie outside its phase."""
OUTSIDE_SHARE = 0.01

_IN_ORDER = (("intended", "sent"), ("sent", "first_byte"), ("first_byte", "first_token"), ("intended", "done"),
             ("sent", "done"), ("first_token", "done"))  # fmt: skip


def records_whole(evidence: Evidence) -> Iterator[Finding]:
    """See that each request has one record, of moments that follow each other, within its phase.

    What the load counted is held against what is on disk: a file that was cut, or two that were laid over each other,
    gives figures of some requests as if they were all. A load that was cut off may lose its last second, which
    `completed` tells. (AIPerf and vLLM's bench write records and totals side by side and compare nothing.)
    """
    requests = evidence.requests
    if evidence.troubles or not len(requests):
        return  # `measured` tells
    twice = len(requests) - len(np.unique(requests.number))
    if twice:
        text = f"{count(twice, 'record')} of {count(len(requests), 'request')} stand there more than once"
        yield finding("records_whole", "invalid", text, repeated=twice, records=len(requests))
    elif evidence.manifest.ending == "completed":
        yield from _missing(evidence)
    odd = int(_impossible(requests).sum())
    if odd:
        text = (
            f"{count(odd, 'record')} of {count(len(requests), 'request')} cannot be true: no end, or moments out of "
            "their order"
        )
        yield finding("records_whole", "invalid", text, impossible=odd, records=len(requests))
    outside = _outside(evidence)
    if outside > OUTSIDE_SHARE * len(requests):
        text = f"{count(outside, 'record')} of {count(len(requests), 'request')} lie outside the phase that they name"
        yield finding("records_whole", "invalid", text, outside=outside, records=len(requests))


def _missing(evidence: Evidence) -> Iterator[Finding]:
    aggregates = evidence.load_result.get("aggregates")
    without = {str(one.get("phase")) for one in aggregates if isinstance(one, dict)} if aggregates else set()
    kept = evidence.requests.phase.counts("")
    for phase in evidence.manifest.phases:
        counted = [evidence.load_phase(phase.name).get(name) for name in ("ok", "failed")]
        if phase.name in without or not all(type(number) is int for number in counted):
            continue
        told, found = sum(number for number in counted if isinstance(number, int)), kept.get(phase.name, 0)
        if told != found:
            text = f"phase {phase.name}: the load counted {count(told, 'request')}, {found:,} are on record"
            yield finding("records_whole", "invalid", text, phase=phase.name, counted=told, records=found)


def _impossible(requests: Requests) -> Flags:
    odd = np.isnan(requests.at("intended")) | np.isnan(requests.at("done"))
    for first, then in _IN_ORDER:
        odd |= np.nan_to_num(requests.between(first, then)) < -CLOCK_SECONDS
    return np.asarray(odd | (requests.ok & np.isnan(requests.at("sent"))), dtype=np.bool_)


def _outside(evidence: Evidence) -> int:
    """Count the requests of no phase that was run, or intended before or after theirs."""
    requests, inside = evidence.requests, 0
    at = requests.at("intended")
    for phase in evidence.manifest.phases:
        begin, end = phase.started.timestamp() - EDGE_SECONDS, phase.ended.timestamp() + EDGE_SECONDS
        inside += int((requests.phase.among({phase.name}) & (at >= begin) & (at <= end)).sum())
    return len(requests) - inside
