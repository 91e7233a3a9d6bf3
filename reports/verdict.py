"""May these numbers be believed? One rule a function; each looks at the evidence and finds fault, or does not.

`invalid`: what is printed does not describe the load that was asked for, or was not watched. `warning`: it does, with a
reserve that a reader must know. A slow service is no fault of the numbers.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from reports import (
    agreement,
    answers,
    causes,
    honesty,
    integrity,
    language,
    machines,
    objectives,
    scenario,
    search,
    steady,
    tools,
    watching,
)
from reports.evidence import Evidence
from reports.honesty import Level, finding
from reports.state import state_kept
from reports.statistics import needed
from reports.words import clock, count, display, ended_with
from runs.manifest import Finding, Process, Verdict

Rule = Callable[[Evidence], Iterator[Finding]]

FAILED_SHARE = 0.01
RETRIED_SHARE = 0.01
HEADLINE = (("latency", 0.99), ("ttft", 0.99))
_ENDINGS = {
    "failed": "the run failed",
    "cancelled": "the run was cancelled",
    "time_limit": "the run was cut off by its time limit",
    "abandoned": "the run was abandoned",
}


def judge(evidence: Evidence) -> Verdict:
    """Apply every rule; what makes a run INVALID comes first, and what follows from it is a warning."""
    findings = causes.told_once(found for rule in RULES for found in rule(evidence))
    findings.sort(key=lambda found: found.level != "invalid")
    return Verdict(valid=not any(found.level == "invalid" for found in findings), findings=findings)


def completed(evidence: Evidence) -> Iterator[Finding]:
    """The run came to its planned end (as MLPerf and IO500 demand of a run)."""
    manifest = evidence.manifest
    if manifest.ending == "completed":
        return
    text = _ENDINGS.get(manifest.ending or "", "the run has no end on record")
    if not manifest.phases:
        text += " before its first phase"
    elif where := moment(evidence, manifest.ended):
        text += f", over by {where}"
    reason = manifest.reason.splitlines()[0] if manifest.reason.strip() else "no reason is on record"
    names = [process.name for process in dead(evidence)]
    yield finding("completed", "invalid", f"{text}: {reason}", ending=manifest.ending, died=names)


def measured(evidence: Evidence) -> Iterator[Finding]:
    """There is something to judge: requests in a measured phase, and records that can be read."""
    for trouble in evidence.troubles:
        yield finding("measured", "invalid", trouble)
    window = evidence.measured
    if window.count == 0 and any(figures.count for figures in tools.measured(evidence)):
        return
    if window.count == 0:
        text = "no request was recorded in a measured phase"
        yield finding("measured", "invalid", text, requests_in_all=len(evidence.requests))
    elif window.succeeded == 0:
        yield finding("measured", "invalid", "no request of the measured phases succeeded", requests=window.count)


def failures(evidence: Evidence) -> Iterator[Finding]:
    """Failed requests are few: beyond 1 % the rest is a selection, and its latencies flatter.

    A recipe that expects more says so by its objective `error_rate`.
    """
    window = evidence.measured
    allowed = max(FAILED_SHARE, evidence.recipe.objectives.get("error_rate", 0.0))
    if not window.failed or window.error_ratio is None:
        return
    kinds = ", ".join(f"{kind} {number}" for kind, number in list(window.errors.items())[:3])
    share = display(window.error_ratio, "ratio")
    text = f"{window.failed:,} of {count(window.count, 'request')} failed ({share}): {kinds}"
    level: Level = "invalid" if window.error_ratio > allowed else "warning"
    facts = {"failed": window.failed, "requests": window.count, "failed_ratio": window.error_ratio}
    yield finding("failures", level, text, allowed_ratio=allowed, errors=window.errors, **facts)


def retried(evidence: Evidence) -> Iterator[Finding]:
    """See that few requests had to be sent a second time, on a new connection.

    A server may close a kept connection that was idle for long; one that does so under more than 1 % of the requests
    loses them, which the second try hides. The time of both tries is in the latency.
    """
    window = evidence.measured
    if window.retries > max(2.0, RETRIED_SHARE * window.count):
        text = (
            f"{window.retries:,} of {count(window.count, 'request')} had to be sent a second time: the server closed "
            "their connections without an answer"
        )
        yield finding("retried", "warning", text, retries=window.retries, requests=window.count)


def died(evidence: Evidence) -> Iterator[Finding]:
    """No program of the run ended by itself before it was told to.

    What must live ends the run, which `completed` tells; a sidecar's death is a hole in the curves.
    """
    if evidence.manifest.ending == "completed":
        for process in dead(evidence):
            when = moment(evidence, process.ended)
            text = f"{process.name} died during the run ({ended_with(process.exit_code)}), {when}"
            level: Level = "invalid" if process.role == "service" else "warning"
            yield finding("died", level, text, process=process.name, exit_code=process.exit_code)


def enough_samples(evidence: Evidence) -> Iterator[Finding]:
    """Each percentile that an objective needs has samples enough to be bounded (`statistics.needed`).

    An objective that cannot be judged makes the run INVALID: it was made to judge it. A p99 of the headline that has
    too few is not printed, with a warning.
    """
    window = evidence.measured
    if not window.count and not tools.measured(evidence):
        return
    for item in objectives.judge(evidence.recipe.objectives, window, evidence.recipe.load.options):
        if item.state == "not judged":
            text = f"objective {item.name} cannot be judged: {item.reason}"
            yield finding("enough_samples", "invalid", text, objective=item.name)
    lacking = [name for name, p in HEADLINE if len(window.times(name)) and window.lacking(name, p)]
    if lacking:
        samples = min(len(window.times(name)) for name in lacking)
        text = f"{count(samples, 'answer')} are too few for a p99, which is not printed: {needed(0.99)} are needed"
        yield finding("enough_samples", "warning", text, samples=samples, needed=needed(0.99))


def dead(evidence: Evidence) -> list[Process]:
    """Return the programs that ended by themselves, the first to go first. The load may: its work is finite."""
    gone = [
        process
        for process in evidence.manifest.processes
        if process.ended and not process.stopped_by_us and not (process.role == "load" and process.exit_code == 0)
    ]
    return sorted(gone, key=lambda process: process.ended or process.started)


def moment(evidence: Evidence, when: datetime | None) -> str:
    """Say when something was, by the clock (UTC) and by the phase that it fell into."""
    if when is None:
        return ""
    phases = evidence.manifest.phases
    text = f"{clock(when)} UTC"
    for phase in phases:
        if phase.started <= when <= phase.ended:
            return f"{text} ({(when - phase.started).total_seconds():.1f} s into phase {phase.name})"
    if phases and when > phases[-1].ended:
        return f"{text} (after the last phase)"
    return f"{text} (before the first phase)"


RULES: tuple[Rule, ...] = (
    completed,
    measured,
    integrity.records_whole,
    failures,
    retried,
    state_kept,
    honesty.asked_rate,
    honesty.kept_up,
    honesty.little,
    honesty.client_lag,
    honesty.client_cpu,
    scenario.scenario_kept,
    search.edge_found,
    search.edge_of_the_service,
    tools.operations_failed,
    tools.tool_rate,
    tools.tool_told,
    watching.targets_up,
    watching.sources,
    agreement.counts_agree,
    agreement.not_restarted,
    agreement.not_frozen,
    agreement.clocks_agree,
    machines.machines_well,
    machines.alone,
    machines.light_watching,
    died,
    steady.warmed_up,
    steady.steady,
    answers.right_answers,
    language.tokens_known,
    language.pieces_fit,
    language.streamed,
    language.prompts_whole,
    language.one_model,
    answers.recall_known,
    answers.recall_steady,
    answers.nothing_dropped,
    answers.not_cached,
    enough_samples,
)
