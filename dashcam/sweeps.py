"""A sweep in words and for programs: a line a run, and its points held against the first."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dashcam import comparison, outcome
from jobs import exits
from jobs.sweeps import Member, Sweep
from reports import compare, differences
from reports.compare import Column, Run
from reports.words import count, display

_FIRST = ("completed", "failed")
_ASIDE = {"asked", "client lag p99", "recorder CPU", "recorder memory"}
"""What was asked and what the recorder took: that is in the comparison."""
_COLUMNS = 12
"""Points that are held against the first; more are a wall of figures."""


def text(sweep: Sweep, width: int) -> str:
    """Return the table, what is missing, and the comparison of the points."""
    columns = _columns(sweep)
    letters = {run.manifest.id: column.letter for column in columns for run in column.runs}
    lines = [_head(sweep), "", *_table(sweep, letters, width)]
    lines += [f"run {number} was never made: its job was refused, or the sweep was ended" for number in sweep.missing]
    lines += [f"{member.run.id}: {_how(member)}" for member in sweep.members if _how(member)]
    if 1 < len(columns) <= _COLUMNS or any(len(column.runs) > 1 for column in columns[:_COLUMNS]):
        shown = columns[:_COLUMNS]
        lines += ["", comparison.text(shown, compare.rows(shown), {"recipe": _recipes(shown)}, width)]
    if len(columns) > _COLUMNS:
        lines.append(f"{len(columns)} points: `dashcam compare RUN RUN` holds others against each other")
    return "\n".join(lines)


def as_json(sweep: Sweep) -> dict[str, Any]:
    """Return the same for programs."""
    columns = _columns(sweep)
    compared = comparison.as_json(columns, compare.rows(columns), {"recipe": _recipes(columns)}) if columns else None
    return {
        "id": sweep.id,
        "of": sweep.of,
        "missing": sweep.missing,
        "runs": [
            {
                "id": member.run.id,
                "path": str(member.run.path),
                **member.place.model_dump(include={"number", "values", "repeat"}),
                "state": member.manifest.state,
                "ending": member.manifest.ending,
                "verdict": _verdict(member),
                "figures": {label: value.value for label, (_, _, value) in _figures(member).items()},
            }
            for member in sweep.members
        ],
        "comparison": compared,
    }


def code(sweep: Sweep) -> int:
    """Return the exit code of a sweep: of its worst run; a run that is missing has failed."""
    codes = [exits.of(member.manifest) for member in sweep.members] + [exits.FAILED] * bool(sweep.missing)
    return next((each for each in (exits.INTERRUPTED, exits.FAILED, exits.INVALID) if each in codes), exits.VALID)


def _head(sweep: Sweep) -> str:
    verdicts = [_verdict(member) for member in sweep.members]
    parts = [f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts)]
    return f"sweep {sweep.id}: {count(sweep.of, 'run')}: {', '.join(parts)}"


def _table(sweep: Sweep, letters: Mapping[str, str], width: int) -> Iterator[str]:
    keys = list(sweep.members[0].place.values)
    short = {key: _short(key, keys) for key in keys}
    figures = {member.run.id: _figures(member) for member in sweep.members}
    labels = list(dict.fromkeys(label for each in figures.values() for label in each))
    labels = [label for label in (*_FIRST, *labels) if label in labels and label not in _ASIDE]
    labels = list(dict.fromkeys(labels))
    repeated = any(member.place.repeat > 1 for member in sweep.members)
    rows = [["", "", *short.values(), *(["repeat"] if repeated else []), "verdict", *labels]]
    for member in sweep.members:
        place, found = member.place, figures[member.run.id]
        rows.append(
            [
                *(str(place.number), letters.get(member.run.id, "")),
                *(_leaf(place.values.get(key)) for key in keys),
                *([str(place.repeat)] if repeated else []),
                _verdict(member),
                *(display(found[label][2].value, found[label][0]) if label in found else "-" for label in labels),
            ]
        )
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    # As many figures as fit: the rest are in the comparison, and in --json.
    while len(widths) > len(rows[0]) - len(labels) + len(_FIRST) and sum(widths) + 2 * len(widths) - 2 > width:
        widths.pop()
    for row in rows:
        yield "  ".join(f"{cell:<{space}}" for cell, space in zip(row, widths, strict=False)).rstrip()
    for key, word in short.items():
        if key != word:
            yield f"{word}: {key}"


def _short(key: str, keys: Sequence[str]) -> str:
    """Return the last word of a dotted key, or all of it where another key ends alike."""
    last = key.rpartition(".")[2]
    alike = sum(other.rpartition(".")[2] == last for other in keys) > 1
    return key if alike or last.isdigit() else last


def _leaf(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _verdict(member: Member) -> str:
    manifest = member.manifest
    if manifest.state != "ended":
        return manifest.state
    if manifest.ending != "completed":
        return str(manifest.ending)
    return "-" if manifest.verdict is None else "VALID" if manifest.verdict.valid else "INVALID"


def _how(member: Member) -> str:
    """Say why a run is not what was hoped for, in a line."""
    manifest = member.manifest
    if manifest.state == "ended" and manifest.ending != "completed":
        return manifest.reason.partition("\n")[0]
    findings = manifest.verdict.findings if manifest.verdict is not None else []
    return "; ".join(finding.message for finding in findings if finding.level == "invalid")


def _read(member: Member) -> Run | None:
    summary = outcome.summary(member.run)
    return Run(member.manifest, summary) if summary else None


def _figures(member: Member) -> dict[str, tuple[str, compare.Better, compare.Value]]:
    run = _read(member)
    return compare.figures(run) if run is not None and run.manifest.ending == "completed" else {}


def _columns(sweep: Sweep) -> list[Column]:
    """Return a column a point; runs that did not end as they should are in none."""
    runs = [
        (run, json.dumps(member.place.values, sort_keys=True, default=str))
        for member in sweep.members
        if (run := _read(member)) is not None and run.manifest.ending == "completed"
    ]
    return compare.columns([run for run, _ in runs], [key for _, key in runs])


def _recipes(columns: Sequence[Column]) -> list[comparison.Unlike]:
    return differences.recipes([column.runs[0].manifest for column in columns])
