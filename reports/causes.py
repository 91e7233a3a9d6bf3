"""Which findings follow from others: a run that breaks one thing is INVALID for one reason.

A finding that another explains stays in the verdict, as a warning that names its cause: whoever mends the cause and
still sees it has two faults.
"""

from collections.abc import Callable, Iterable, Mapping

from reports.answers import is_wrong
from runs.manifest import Finding

Explains = Callable[[Finding, Finding], bool]
"""Tells whether a finding follows from another."""

_GONE = frozenset({"refused", "reset", "truncated", "drained", "timeout", "unreachable", "protocol"})
"""Failures by which a service is not there, or not there any more."""
_LATE = frozenset({"timeout", "drained", "client_limit"})
_SILENT = frozenset({"refused", "reset", "timeout", "unreachable"})


def _always(_found: Finding, _cause: Finding) -> bool:
    return True


def _kinds(explained: Callable[[str], bool]) -> Explains:
    """Explain failures of some kinds, as long as what is left of others would be forgiven."""

    def explains(found: Finding, _cause: Finding) -> bool:
        kinds = found.evidence.get("errors") or found.evidence.get("kinds") or {}
        others = sum(number for kind, number in kinds.items() if not explained(kind))
        return bool(others <= found.evidence.get("allowed_ratio", 0.0) * found.evidence.get("requests", 0))

    return explains


def _all_failed(_found: Finding, cause: Finding) -> bool:
    return bool(cause.evidence.get("failed") == cause.evidence.get("requests"))


def _hangs(found: Finding, cause: Finding) -> bool:
    """Tell whether a service answered neither the load nor Prometheus."""
    kinds = cause.evidence.get("errors") or {}
    silent = sum(number for kind, number in kinds.items() if kind in _SILENT)
    return found.evidence.get("role") == "service" and 2 * silent > sum(kinds.values())


def _of_the_load(found: Finding, _cause: Finding) -> bool:
    return found.evidence.get("role") == "load"


def _same_job(found: Finding, cause: Finding) -> bool:
    """Tell whether a count is too small for want of a page of that service that could be read."""
    facts = found.evidence
    return facts.get("job") == cause.evidence.get("job") and facts["server"] < facts["client_least"]


_DEATHS = ("completed", "died", "not_restarted")

CAUSES: Mapping[str, Mapping[str, Explains]] = {
    "measured": {"completed": _always, "failures": _all_failed},
    "failures": {
        **dict.fromkeys(_DEATHS, _kinds(_GONE.__contains__)),
        **dict.fromkeys(("kept_up", "client_cpu"), _kinds(_LATE.__contains__)),
        "right_answers": _kinds(is_wrong),
    },
    "right_answers": dict.fromkeys(_DEATHS, _kinds({"truncated"}.__contains__)),
    "kept_up": dict.fromkeys((*_DEATHS, "client_cpu"), _always),
    "asked_rate": dict.fromkeys(("completed", "client_cpu", "client_lag"), _always),
    "client_lag": {"client_cpu": _always},
    "little": {"completed": _always},
    "steady": dict.fromkeys((*_DEATHS, "client_cpu", "machines_well"), _always),
    "streamed": {"client_cpu": _always},
    "warmed_up": dict.fromkeys(("not_restarted", "client_cpu"), _always),
    "targets_up": {**dict.fromkeys(_DEATHS, _always), "failures": _hangs, "client_cpu": _of_the_load},
    "counts_agree": dict.fromkeys(("targets_up", "not_frozen"), _same_job),
    "enough_samples": dict.fromkeys(("completed", "measured", "failures"), _always),
}
"""Rule by rule: what may cause what it found, and whether it does."""


def told_once(findings: Iterable[Finding]) -> list[Finding]:
    """Make warnings of findings that others explain, which `follows_from` in their evidence names."""
    all_of_them = list(findings)
    invalid = {found.rule: found for found in all_of_them if found.level == "invalid"}
    return [_explained(found, invalid) if found.level == "invalid" else found for found in all_of_them]


def _explained(found: Finding, invalid: Mapping[str, Finding]) -> Finding:
    known = CAUSES.get(found.rule, {})
    causes = [rule for rule, explains in known.items() if rule in invalid and explains(found, invalid[rule])]
    if not causes:
        return found
    text = f"{found.message} (follows from {', '.join(causes)})"
    return found.model_copy(
        update={"level": "warning", "message": text, "evidence": {**found.evidence, "follows_from": causes}}
    )
