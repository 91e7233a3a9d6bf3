"""What a person is told when a run is over."""

import json
from collections.abc import Mapping
from typing import Any

from runs.directory import RunDirectory
from runs.manifest import Manifest


def describe(run: RunDirectory, manifest: Manifest) -> str:
    """Return verdict, headline figures, and where the report is."""
    lines = []
    verdict = manifest.verdict
    if manifest.ending != "completed":
        lines.append(f"{manifest.ending or 'not ended'}: {manifest.reason}")
    if verdict is not None:
        warnings = sum(finding.level == "warning" for finding in verdict.findings)
        tail = f" with {warnings} warning{'s' if warnings > 1 else ''}" if verdict.valid and warnings else ""
        lines.append(("VALID" if verdict.valid else "INVALID") + tail)
        lines += [f"  {finding.level}: {finding.message}" for finding in verdict.findings]
    told = summary(run)
    figures = headline(told)
    width = max((len(name) for name, _ in figures), default=0)
    lines += [f"  {name:<{max(28, width)}} {text}" for name, text in figures]
    lines += [f"  not checked ({', '.join(one['rules'])}): {one['reason']}" for one in told.get("unchecked", [])]
    lines += [f"  note: {note}" for note in manifest.notes]
    if run.report.is_file():
        lines.append(f"report: {run.report}")
    lines.append(f"recording: {run.path}" + ("" if run.sealed else " (not sealed)"))
    return "\n".join(lines)


def headline(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the headline figures as the report words them, most telling first."""
    return [(str(item["label"]), str(item["text"])) for item in facts.get("headline", [])]


def summary(run: RunDirectory) -> dict[str, Any]:
    """Return summary.json, or nothing where the run did not get that far."""
    try:
        value: dict[str, Any] = json.loads(run.summary.read_bytes())
    except (OSError, ValueError):
        return {}
    return value
