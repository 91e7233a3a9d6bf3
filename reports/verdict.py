"""May these numbers be believed? One rule a function; each looks at the evidence and finds fault, or does not.

`invalid`: what is printed does not describe the load that was asked for. `warning`: it does, with a reserve that a
reader must know. A slow service is no fault of the numbers.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

from reports import objectives
from reports.evidence import Evidence
from reports.statistics import needed, poisson_tolerance, users_in_system
from runs.manifest import Finding, PhaseSpan, Verdict

Rule = Callable[[Evidence], Iterator[Finding]]

_RULES: list[Rule] = []
FAILED_SHARE = 0.01
RATE_SHARE = 0.05
LITTLE_SHARE = 0.10
LAG_SHARE = 0.05
LAG_SECONDS = 0.001
CPU_SHARE = 0.90
GAP_INTERVALS = 3.0


def judge(evidence: Evidence) -> Verdict:
    """Apply every rule."""
    findings = [finding for rule in _RULES for finding in rule(evidence)]
    findings.sort(key=lambda finding: finding.level != "invalid")
    return Verdict(valid=not any(finding.level == "invalid" for finding in findings), findings=findings)


def _rule(function: Rule) -> Rule:
    _RULES.append(function)
    return function


def _finding(rule: str, level: Literal["invalid", "warning"], message: str, **evidence: Any) -> Finding:
    return Finding(rule=rule, level=level, message=message, evidence=evidence)


@_rule
def completed(evidence: Evidence) -> Iterator[Finding]:
    """The run came to its planned end (as IO500 and MLPerf demand of a run)."""
    manifest = evidence.manifest
    if manifest.ending != "completed":
        reason = manifest.reason.splitlines()[0] if manifest.reason else "no reason is on record"
        yield _finding("completed", "invalid", f"the run did not come to its end: {reason}", ending=manifest.ending)


@_rule
def measured(evidence: Evidence) -> Iterator[Finding]:
    """There is something to judge."""
    if evidence.measured.count == 0:
        yield _finding(
            "measured", "invalid", "no request was made in a measured phase", requests=len(evidence.requests)
        )


@_rule
def failures(evidence: Evidence) -> Iterator[Finding]:
    """Failed requests are few: with more than 1 % the rest is a selection, and its latencies flatter."""
    window = evidence.measured
    allowed = max(FAILED_SHARE, evidence.recipe.objectives.get("error_rate", 0.0))
    if not window.failed or window.error_ratio is None:
        return
    kinds = ", ".join(f"{kind} {count}" for kind, count in list(window.errors.items())[:3])
    text = f"{window.failed} of {window.count} requests failed ({window.error_ratio:.1%}): {kinds}"
    level: Literal["invalid", "warning"] = "invalid" if window.error_ratio > allowed else "warning"
    yield _finding("failures", level, text, failed=window.failed, requests=window.count, allowed=allowed)


@_rule
def asked_rate(evidence: Evidence) -> Iterator[Finding]:
    """Open loop: what was asked for was sent, and answered at the pace it came (inference-perf: requested, achieved).

    A Poisson count may miss its mean by 4.9 standard deviations (one clean run in a million). Of the requests intended,
    95 % must have been sent in the phase, or up to 5 % of its length later.
    """
    for phase in _phases(evidence, open_loop=True):
        window = evidence.window([phase])
        seconds = (phase.ended - phase.started).total_seconds()
        expected = (phase.rate or 0.0) * seconds
        slack = poisson_tolerance(expected) if phase.arrival == "poisson" else 1.0
        facts = {"phase": phase.name, "asked_per_second": phase.rate, "intended": window.count, "seconds": seconds}
        if abs(window.count - expected) > max(slack, 1.0):
            text = f"phase {phase.name}: {window.count} requests were scheduled where {expected:.0f} were asked for"
            yield _finding("asked_rate", "invalid", text, **facts)
        late = phase.ended.timestamp() + RATE_SHARE * seconds
        sent = int((window.requests.times["sent"] <= late).sum())
        if window.count and sent < (1 - RATE_SHARE) * window.count:
            text = f"phase {phase.name}: only {sent} of {window.count} requests left in time"
            yield _finding("asked_rate", "invalid", text, sent=sent, **facts)


@_rule
def little(evidence: Evidence) -> Iterator[Finding]:
    """Closed loop: the users were really there. N = X (R + Z), Little 1961."""
    for phase in _phases(evidence, open_loop=False):
        window = evidence.window([phase])
        if not window.count or not phase.users:
            continue
        times = evidence.requests.times  # of all phases: a user may still wait for an answer of the phase before
        begin, end = phase.started.timestamp(), phase.ended.timestamp()
        busy = users_in_system(times["intended"], times["done"], begin, end)
        thinking = users_in_system(times["done"], times["done"] + phase.think, begin, end) if phase.think else 0.0
        found = busy + thinking
        if abs(found - phase.users) > max(LITTLE_SHARE * phase.users, 0.5):
            text = f"phase {phase.name}: {phase.users} users were asked for, {found:.1f} were there (Little's law)"
            yield _finding("little", "invalid", text, phase=phase.name, users=phase.users, found=round(found, 3))


@_rule
def client_lag(evidence: Evidence) -> Iterator[Finding]:
    """The client's own delay (sent - intended, p99) does not explain the latencies: 5 % of their median."""
    window = evidence.measured
    lag, latency = window.times("lag"), window.times("latency")
    if len(lag) < needed(0.95) or not len(latency):
        return
    lag.sort()
    p99, p50 = float(lag[int(0.99 * (len(lag) - 1))]), float(sorted(latency)[len(latency) // 2])
    share = float((lag > max(LAG_SHARE * p50, LAG_SECONDS)).mean())
    if p99 > max(LAG_SHARE * p50, LAG_SECONDS) and share > 0.01:
        level: Literal["invalid", "warning"] = "invalid" if p99 > max(0.25 * p50, 0.01) else "warning"
        text = (
            f"the client sent late: p99 {p99 * 1000:.1f} ms after the intended time, median latency {p50 * 1000:.1f} ms"
        )
        yield _finding("client_lag", level, text, lag_p99_seconds=p99, latency_p50_seconds=p50)


@_rule
def client_cpu(evidence: Evidence) -> Iterator[Finding]:
    """The client was not short of CPU: one event loop can use one core (locust warns at 90 %)."""
    for phase in evidence.manifest.phases:
        used = evidence.load_phase(phase.name).get("cpu_seconds")
        seconds = (phase.ended - phase.started).total_seconds()
        if phase.measured and used is not None and seconds > 0 and used / seconds > CPU_SHARE:
            text = f"phase {phase.name}: the load process used {used / seconds:.0%} of a core: it was the bottleneck"
            yield _finding("client_cpu", "invalid", text, phase=phase.name, cpu_share=round(used / seconds, 3))


@_rule
def targets_up(evidence: Evidence) -> Iterator[Finding]:
    """Each target was watched through the measured phases. The service's and the load's gaps forbid a verdict."""
    interval = evidence.recipe.watch.interval
    if not evidence.measured.phases:
        return
    for item in evidence.coverage:
        target = item.target
        allowed = GAP_INTERVALS * interval
        if item.up and item.gap is not None and item.gap <= allowed:
            continue
        essential = target.role in {"service", "load"}
        gap = "never scraped" if not item.up else f"{item.gap or 0:.1f} s without a good scrape"
        text = f"{target.job} on {target.node} was not watched all the time: {gap}"
        yield _finding(
            "targets_up", "invalid" if essential else "warning", text, job=target.job, node=target.node,
            up_share=round(item.share, 4), gap_seconds=item.gap,
        )  # fmt: skip


@_rule
def died(evidence: Evidence) -> Iterator[Finding]:
    """No program of the run ended by itself."""
    for process in evidence.manifest.processes:
        if process.ended is not None and not process.stopped_by_us and process.role == "sidecar":
            text = f"{process.name} died during the run (exit code {process.exit_code})"
            yield _finding("died", "warning", text, process=process.name, exit_code=process.exit_code)


@_rule
def enough_samples(evidence: Evidence) -> Iterator[Finding]:
    """Each percentile that an objective needs has samples enough; one that has not is not printed."""
    window = evidence.measured
    if not window.count:
        return
    for item in objectives.judge(evidence.recipe.objectives, window):
        if item.state == "not judged":
            text = f"objective {item.name} cannot be judged: {item.reason}"
            yield _finding("enough_samples", "invalid", text, objective=item.name)
    samples = len(window.times("latency"))
    if samples < needed(0.99):
        text = f"{samples} answers are too few for a p99 ({needed(0.99)} are needed): it is not printed"
        yield _finding("enough_samples", "warning", text, samples=samples)


def _phases(evidence: Evidence, *, open_loop: bool) -> list[PhaseSpan]:
    return [p for p in evidence.manifest.phases if p.measured and (p.rate is not None) == open_loop]
