"""Rules about the load itself: was what was asked for really sent, by a client that had the time to measure?

Each takes the evidence and yields what it finds; `reports.verdict` applies them. Noise is given its due: a clean run
trips none of them but once in a million times.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from reports.evidence import Evidence
from reports.requests import Requests
from reports.statistics import SIGMAS, Floats, lower_bound, mean_in_system, nearest_rank, noise, open_at, poisson_odd
from reports.words import display
from runs.manifest import Finding, PhaseSpan

RATE_SHARE = 0.05
LITTLE_SHARE = 0.10
LAG_SHARE, LAG_SECONDS = 0.05, 0.001
LAG_SHARE_INVALID, LAG_SECONDS_INVALID = 0.25, 0.010
CPU_SHARE = 0.90
LOOP_LAG_SECONDS = 0.1
STALL_SECONDS_INVALID, STALL_SHARE_INVALID = 0.25, 0.01

_BINS = 50
"""Of a phase, in which arrivals are counted: short against it, and long against a burst."""
_NOT_TRIED = {"drained", "client_limit", "client_error"}
"""Failures of requests that never left because the client did not get that far."""
_SLOW_SHARE = 0.25
"""Of the timeout: where good answers took longer, those that timed out stood in the same queue."""

Level = Literal["invalid", "warning"]


def finding(rule: str, level: Level, message: str, **evidence: Any) -> Finding:
    """Make a finding; the evidence carries the numbers with units in their names."""
    return Finding(rule=rule, level=level, message=message, evidence=evidence)


def asked_rate(evidence: Evidence) -> Iterator[Finding]:
    """Expect in each open-loop phase as many requests as its rate asks for, and see that they left in time.

    The count of a Poisson phase has the noise of a Poisson variable (exact tails, one in a million), that of gamma gaps
    the variance mean/burstiness (renewal theory, for many gaps; of few the larger count stands for the mean), that of a
    constant one may miss two requests at its edges; beyond that 5 % are allowed. Of the requests intended, 95 % must
    have left by the end of the phase (requested against achieved rate, as inference-perf reports it). One that the
    service did not let in was tried in time too, and is a failure with a name.
    """
    for phase, seconds in _phases(evidence, open_loop=True):
        window = evidence.window([phase])
        expected = (phase.rate or 0.0) * seconds
        off = abs(window.count - expected)
        facts = {"phase": phase.name, "asked_per_second": phase.rate, "intended": window.count, "seconds": seconds}
        burstiness = _number(evidence.load_phase(phase.name), "burstiness")
        if phase.arrival == "constant":
            odd = off > 2.0
        elif phase.arrival == "gamma" and burstiness:
            odd = off > noise(max(expected, window.count) / burstiness)
        else:
            odd = poisson_odd(window.count, expected)
        if window.count and odd and off > RATE_SHARE * expected:
            text = (
                f"phase {phase.name}: {window.count} requests were scheduled where about {expected:.0f} were asked for"
            )
            yield finding("asked_rate", "invalid", text, **facts)
        left, end = window.requests.at("sent"), phase.ended.timestamp()
        not_let_in = np.isnan(left) & ~window.requests.error.among(_NOT_TRIED)
        sent = int(((left <= end) | not_let_in).sum())
        if window.count - sent > max(RATE_SHARE * window.count, 2.0):
            share = display(sent / window.count, "ratio")
            text = f"phase {phase.name}: only {sent} of {window.count} requests ({share}) left before its end"
            yield finding("asked_rate", "invalid", text, sent=sent, **facts)


def kept_up(evidence: Evidence) -> Iterator[Finding]:
    """See that an open loop reached a steady state: answers come at the rate of the requests.

    Beyond the service's capacity requests pile up and latency grows with the length of the phase, so that no percentile
    describes the service. The backlog is compared between the middle and the end of the phase, because a phase that
    starts cold must first fill the system. It may grow by 5 % of what came in meanwhile, and by its own noise (two
    counts of requests in progress, of the dispersion of the arrivals: 1 for Poisson, more for bursts and traces, which
    may end in the middle of a burst). Requests that timed out count as open where good answers were nearly as
    slow, since a client that gives up keeps a queue short that has no end.
    """
    starts, ends = evidence.requests.at("intended"), _ends(evidence)
    for phase, seconds in _phases(evidence, open_loop=True):
        window = evidence.window([phase])
        if not window.count:
            continue
        begin, end = phase.started.timestamp(), phase.ended.timestamp()
        middle = (begin + end) / 2
        before, after = open_at(starts, ends, middle), open_at(starts, ends, end)
        came, ended = _within(starts, middle, end), _within(ends, begin, end) / seconds
        offered = window.count / seconds
        facts = {
            "phase": phase.name, "intended_per_second": offered, "ended_per_second": ended,
            "open_in_the_middle": before, "open_at_the_end": after,
        }  # fmt: skip
        uneven = _dispersion(window.requests.at("intended"), begin, end)
        if after - before > max(RATE_SHARE * came, noise(uneven * (before + after))):
            text = (
                f"phase {phase.name}: the service did not keep up: {display(offered, 'req/s')} came, "
                f"{display(ended, 'req/s')} ended, and {after} were open at the end ({before} in the middle); "
                "such latencies depend on the length of the phase"
            )
            yield finding("kept_up", "invalid", text, **facts)
        elif after > max(RATE_SHARE * window.count, noise(after)):
            text = f"phase {phase.name}: {after} of {window.count} requests were still open at its end"
            yield finding("kept_up", "warning", text, **facts)


def _dispersion(moments: Floats, begin: float, end: float) -> float:
    """Return the variance of arrivals over their mean, bin by bin; Poisson's, 1, where it is not beyond noise."""
    counts = np.histogram(moments, bins=_BINS, range=(begin, end))[0]
    found = float(counts.var(ddof=1) / max(counts.mean(), 1e-9))
    return found if found > 1.0 + SIGMAS * math.sqrt(2.0 / (_BINS - 1)) else 1.0


def _ends(evidence: Evidence) -> Floats:
    """Return when requests ended, as `kept_up` counts."""
    ends, window = evidence.requests.at("done"), evidence.measured
    good = window.times("latency")
    if len(good) and float(np.median(good)) <= _SLOW_SHARE * evidence.recipe.load.timeout:
        return ends
    return np.where(evidence.requests.error.among({"timeout"}), np.inf, ends)


def little(evidence: Evidence) -> Iterator[Finding]:
    """Count the users of a closed loop by Little's law, N = X (R + Z), and hold them against those asked for.

    N is the time that users spent waiting for an answer or thinking, over the length of the phase: with requests cut
    at the phase's edges that is exact for any number of requests, failed ones included, and needs no steady state
    (Little 1961). Within 10 %.
    """
    requests = evidence.requests
    for phase, seconds in _phases(evidence, open_loop=False):
        users, window = phase.users or 0, evidence.window([phase])
        if not window.count or not users:
            continue
        begin, end = phase.started.timestamp(), phase.ended.timestamp()
        mine = requests.select(requests.user < users)  # those of an open loop have no user: NaN
        if np.isnan(window.requests.user).all():  # nor have those of tools that do not say whose they were
            mine = window.requests
        waiting = mean_in_system(*_users_wait(mine, phase.batch), begin, end)
        done = window.requests.at("done")
        thinking = mean_in_system(done, done + phase.think, begin, end) / phase.batch
        found = waiting + thinking
        if abs(found - users) > LITTLE_SHARE * users:
            text = f"phase {phase.name}: {users} users were asked for, {found:.3g} were there (Little's law)"
            yield finding(
                "little", "invalid", text,
                phase=phase.name, users=users, found=round(found, 3), waiting=round(waiting, 3),
                thinking=round(thinking, 3), requests=window.count, seconds=seconds,
            )  # fmt: skip


def _users_wait(mine: Requests, batch: int) -> tuple[Floats, Floats]:
    """Return from when to when users waited: for each request, or for the last of those that were sent at once."""
    starts, ends = mine.at("intended"), mine.at("done")
    if batch == 1 or not len(mine):
        return starts, ends
    _, first, group = np.unique(np.stack([mine.user, starts]), axis=1, return_index=True, return_inverse=True)
    last = np.full(len(first), -np.inf)
    np.maximum.at(last, group.ravel(), ends)
    return starts[first], last


def client_lag(evidence: Evidence) -> Iterator[Finding]:
    """Hold the client's own delay (sent - intended) against the shortest time that contains it.

    That is the time to first token where there is one, else the latency; its median is the yardstick, since both count
    from the intended time. INVALID: half of all requests left late by more than 5 % of it and 1 ms, or the p99 of the
    lag exceeds 25 % of it and 10 ms: then the arrivals were not those asked for, and the client shows in what is
    printed. Warning: the p99 exceeds 5 % and 1 ms. For INVALID the lower end of the percentile's 95 % interval counts,
    so that one late request of a short run decides nothing. (GuideLLM warns at 1 % of TTFT or 0.2 s.)
    """
    window = evidence.measured
    lag = np.sort(window.times("lag"))
    yardstick, word = window.times("ttft"), "time to first token"
    if not len(yardstick):
        yardstick, word = window.times("latency"), "latency"
    if not len(lag) or not len(yardstick):
        return
    median = nearest_rank(np.sort(yardstick), 0.5)
    p50, p99 = nearest_rank(lag, 0.5), nearest_rank(lag, 0.99)
    late = lower_bound(lag, 0.5) > max(LAG_SHARE * median, LAG_SECONDS)
    very_late = lower_bound(lag, 0.99) > max(LAG_SHARE_INVALID * median, LAG_SECONDS_INVALID)
    if late or very_late or p99 > max(LAG_SHARE * median, LAG_SECONDS):
        text = (
            f"the client sent late: {display(p50, 's')} (p50) and {display(p99, 's')} (p99) after the intended time, "
            f"where the median {word} is {display(median, 's')}"
        )
        facts = {"lag_p50_seconds": p50, "lag_p99_seconds": p99, "median_seconds": median, "median_of": word}
        yield finding("client_lag", "invalid" if late or very_late else "warning", text, **facts)


def client_cpu(evidence: Evidence) -> Iterator[Finding]:
    """See that the client had CPU to spare: one event loop can use one core, a tool all (locust warns at 90 % too).

    The time for which it was ready to run and had no CPU (the kernel's run-queue delay) counts as well: a client that
    neighbours or a CPU quota hold back is a bottleneck that uses little.

    A loop that stood still for 0.1 s is worth a warning: what it measured meanwhile is late by that. Users of a closed
    loop that stood still send nothing and are late for nothing, so that no lag tells it: over 0.25 s and 1 % of the
    phase make the run INVALID (a rate is too low by that share, and a p99 may be of the client).
    """
    for phase in evidence.manifest.phases:
        seconds = (phase.ended - phase.started).total_seconds()
        if not phase.measured or seconds <= 0:
            continue
        own = evidence.load_phase(phase.name)
        used, loop, cores = (_number(own, name) for name in ("cpu_seconds", "loop_lag_max", "cpu_cores"))
        waited = _number(own, "cpu_waited_seconds") or 0.0
        if used is not None and used / seconds > CPU_SHARE * (cores or 1.0):
            of = "a core" if (cores or 1.0) == 1.0 else f"a core of {cores:g}"
            text = f"phase {phase.name}: the load process used {used / seconds:.0%} of {of}: it was the bottleneck"
            yield finding("client_cpu", "invalid", text, phase=phase.name, cpu_cores=round(used / seconds, 3))
        elif used is not None and waited and (used + waited) / seconds > CPU_SHARE:
            text = (
                f"phase {phase.name}: the load process used {used / seconds:.0%} of a core and waited for one "
                f"{waited / seconds:.0%} of the time: others, or a CPU quota, made it the bottleneck"
            )
            facts = {"cpu_cores": round(used / seconds, 3), "waited_ratio": round(waited / seconds, 3)}
            yield finding("client_cpu", "invalid", text, phase=phase.name, **facts)
        if loop is not None and loop > LOOP_LAG_SECONDS:
            closed = phase.rate is None and loop > max(STALL_SECONDS_INVALID, STALL_SHARE_INVALID * seconds)
            text = f"phase {phase.name}: the client's event loop stood still for {display(loop, 's')}"
            text += ", and no user sent anything meanwhile" if closed else ""
            level: Level = "invalid" if closed else "warning"
            yield finding("client_cpu", level, text, phase=phase.name, loop_lag_max_seconds=loop)


def _within(moments: np.ndarray[Any, np.dtype[np.float64]], begin: float, end: float) -> int:
    return int(((moments >= begin) & (moments < end)).sum())


def _number(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _phases(evidence: Evidence, *, open_loop: bool) -> Iterator[tuple[PhaseSpan, float]]:
    """Yield the measured phases of one kind of loop that lasted, with their length in seconds."""
    for phase in evidence.manifest.phases:
        seconds = (phase.ended - phase.started).total_seconds()
        if phase.measured and seconds > 0 and (phase.rate is not None) == open_loop:
            yield phase, seconds
