"""What the series say of services and nodes: how much they counted, whether they began anew or stood still; clocks."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from prometheus.client import Series
from reports.presence import Span
from reports.requests import Requests
from reports.scrapes import Key, Recorded, Scrapes
from reports.statistics import Floats
from runs.manifest import Target

Unit = Literal["requests", "tokens", "prompt tokens"]

KNOWN: Mapping[str, Unit] = {
    "vllm:request_success_total": "requests",
    "vllm:generation_tokens_total": "tokens",
    "vllm:prompt_tokens_total": "prompt tokens",
    "nv_inference_request_success": "requests",
    "tgi_request_success": "requests",
    "llamacpp:tokens_predicted_total": "tokens",
    "faiss_search_seconds_count": "requests",
}
"""Counters by which servers tell how much they answered, and what they count; vLLM's have had their names since 0.5."""

KNOWN_OPERATIONS: Mapping[str, tuple[str, str]] = {"SeaweedFS_s3_request_total": ("type", "GET")}
"""Counters of requests by operation: the label that tells it, and the operation, in the records' word too.

An object that is written in parts is many requests, and clearing up afterwards lists and deletes.
"""

_RESET_TOGETHER = 2
"""Counters of a target that fall at once: a single one may be a gauge with a counter's name (Qdrant's
collections_total)."""

STILL_SCRAPES = 10
"""Scrapes of a phase below which it is too short to say that nothing moves."""

_NOT_SERVED = "scrape_.*|up"
"""Series that Prometheus adds to each target."""


@dataclass(frozen=True)
class Count:
    """What a service's own counter counted from the first phase to the end of the recording.

    `operation`: of requests of that operation alone.
    """

    metric: str
    unit: Unit
    job: str
    number: int
    operation: str | None = None


@dataclass(frozen=True)
class Still:
    """A target all of whose figures were the same from `start` to `end` (UTC seconds), the longest such stretch."""

    job: str
    instance: str
    start: float
    end: float


@dataclass(frozen=True)
class NodeClock:
    """A node's clock against Prometheus's: seconds ahead, and by how much that changed within the run."""

    node: str
    ahead: float
    step: float


@dataclass(frozen=True)
class Servers:
    """See the module. `restarted` names targets of services by job and instance."""

    counts: tuple[Count, ...] = ()
    restarted: tuple[Key, ...] = ()
    still: tuple["Still", ...] = ()
    clocks: tuple[NodeClock, ...] = ()


def gather(
    recorded: Recorded | None,
    targets: Sequence[Target],
    span: Span,
    *,
    begin: float,
    phases: Sequence[Span],
    interval: float,
) -> Servers:
    """Ask a recording, whose samples lie in `span` and came each `interval` seconds.

    The load began at `begin`; `phases` are the measured ones. Raises PrometheusError.
    """
    if recorded is None or not phases:
        return Servers()
    services = {(target.job, target.instance) for target in targets if target.role == "service"}
    judged = (phases[0][0], phases[-1][1])
    return Servers(
        counts=tuple(_counts(recorded, span, (begin, span[1]))),
        restarted=tuple(sorted(services & _restarted(recorded, judged, interval))),
        still=tuple(_still(recorded, phases, interval)),
        clocks=tuple(_clocks(recorded, judged)),
    )


def _counts(recorded: Recorded, span: Span, judged: Span) -> Iterator[Count]:
    scrapes = Scrapes(recorded, span, (judged,))
    for metric, unit in KNOWN.items():
        by_job: dict[str, int] = {}
        for (job, _), counted in scrapes.grown(metric).items():
            by_job[job] = by_job.get(job, 0) + counted.total()
        # One that was there all the time and never moved is a count too: none.
        for job, _ in scrapes.told(metric, always=True):
            by_job.setdefault(job, 0)
        for job, number in by_job.items():
            yield Count(metric, unit, job, number)
    for metric, (label, operation) in KNOWN_OPERATIONS.items():
        of_it: Counter[str] = Counter()
        for (job, _), counted in scrapes.grown(metric, label).items():
            of_it[job] += counted[operation,]
        for job, number in of_it.items():
            if number:
                yield Count(metric, "requests", job, number, operation)


def _restarted(recorded: Recorded, judged: Span, interval: float) -> set[Key]:
    counters = _each('role="service",__name__=~".+_total"', judged, interval)
    fallen = f"count by (job, instance) (resets({counters}) > 0) >= {_RESET_TOGETHER}"
    starts = _each('role="service",__name__="process_start_time_seconds"', judged, interval)
    begun = f"count by (job, instance) (changes({starts}) > 0)"
    return {key for text in (fallen, begun) for key in _keys(recorded.query(text, judged[1]))}


def _still(recorded: Recorded, phases: Sequence[Span], interval: float) -> Iterator[Still]:
    """Yield services of which nothing changed in ten scrapes or more of a phase, and nodes whose time stood still."""
    window = STILL_SCRAPES * interval
    longest: dict[Key, Span] = {}
    for begin, end in phases:
        first = begin + window
        if end < first:
            continue
        for selector in (f'role="service",__name__!~"{_NOT_SERVED}"', '__name__="node_time_seconds"'):
            served = _each(selector, (begin, first), interval)
            question = f"max by (job, instance) (changes({served})) == 0"
            for series in recorded.query_range(question, first, end, window / 2):
                key = (series.labels.get("job", ""), series.labels.get("instance", ""))
                for start, last in _stretches(series.times, window / 2):
                    before = longest.get(key, (0.0, 0.0))
                    if last + window - start > before[1] - before[0]:
                        longest[key] = (start - window, last)
    for (job, instance), (start, stop) in sorted(longest.items()):
        yield Still(job, instance, start, stop)


def _stretches(times: Floats, step: float) -> Iterator[Span]:
    """Yield from when to when moments follow each other."""
    for part in np.split(times, np.flatnonzero(np.diff(times) > 1.5 * step) + 1):
        if len(part):
            yield float(part[0]), float(part[-1])


def _each(selector: str, span: Span, interval: float) -> str:
    """Return a range of every series of a selector. Functions of ranges drop names, which must not collide then."""
    named = f'label_replace({{{selector}}}, "metric", "$1", "__name__", "(.+)")'
    return f"{named}[{max(1, round(1000 * (span[1] - span[0])))}ms:{max(1, round(1000 * interval))}ms]"


def _clocks(recorded: Recorded, judged: Span) -> Iterator[NodeClock]:
    for series in recorded.samples("node_time_seconds", *judged):
        if len(series.times) < 3 or not np.ptp(series.values):
            continue  # a page that stands still tells no time, see `Still`
        ahead = series.values - series.times
        third = max(1, len(ahead) // 3)
        step = float(np.median(ahead[-third:]) - np.median(ahead[:third]))
        yield NodeClock(series.labels.get("node", ""), float(np.median(ahead)), step)


def _keys(found: Sequence[Series]) -> set[Key]:
    return {(series.labels.get("job", ""), series.labels.get("instance", "")) for series in found}


def _all_told(requests: Requests, tokens: Floats) -> tuple[float, float] | None:
    # What a server had made of an answer that failed, or did not tell of one, nobody knows.
    known = len(requests) > 0 and bool(requests.ok.all()) and not np.isnan(tokens).any()
    return (float(tokens.sum()),) * 2 if known else None


MEASURES: Mapping[Unit, Callable[[Requests], tuple[float, float] | None]] = {
    "requests": lambda requests: (
        float(requests.ok.sum()),
        # One that was sent a second time may have been answered twice.
        float((~np.isnan(requests.at("sent"))).sum() + np.nansum(requests.retries)),
    ),
    "tokens": lambda requests: _all_told(requests, requests.tokens_out),
    "prompt tokens": lambda requests: _all_told(requests, requests.tokens_in),
}
"""What the client knows of the same: at least and at most so many, or None where it cannot know."""
