"""A comparison in words and for programs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.compare import Cell, Column, Row
from reports.compare import as_json as figures
from reports.words import count, display

Unlike = tuple[str, tuple[Any, ...]]
"""A leaf, a program, a property of nodes; and its value in each column."""

_LABEL, _CELL = 24, 24
_WORDS = {"same": "≈", "better": "better", "worse": "worse", "differs": "differs", "not judged": "?", "base": ""}


def text(columns: Sequence[Column], rows: Sequence[Row], unlike: Mapping[str, Sequence[Unlike]], width: int) -> str:
    """Return the table, as many columns beside the base as fit into `width`, the others below with the base again."""
    lines = [*_verdicts(columns)]
    beside = max(1, (width - _wide(rows)) // _CELL - 1)
    for first in range(1, max(2, len(columns)), beside):
        chosen = [0, *range(first, min(len(columns), first + beside))]
        lines += ["", *_table(columns, rows, chosen)]
    lines += ["", *_legend(columns, rows)]
    for what, found in unlike.items():
        if len(columns) > 1:
            lines += ["", f"{what}: {'as in A' if not found else ''}".rstrip(), *_unlike(columns, found)]
    return "\n".join(lines)


def _verdicts(columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        for index, run in enumerate(column.runs):
            findings = run.summary.get("findings", [])
            reasons = [str(item.get("message")) for item in findings if item.get("level") == "invalid"]
            warnings = sum(item.get("level") == "warning" for item in findings)
            verdict = "VALID" if run.valid else "INVALID"
            verdict += f" with {count(warnings, 'warning')}" if run.valid and warnings else ""
            yield f"{column.letter if not index else '':<3}{run.manifest.id}  {verdict}"
            yield from (f"     {reason}" for reason in reasons)
            if run.manifest.ending != "completed":
                yield f"     {run.manifest.ending}: {run.manifest.reason.partition(chr(10))[0]}"


def _table(columns: Sequence[Column], rows: Sequence[Row], chosen: Sequence[int]) -> Iterator[str]:
    heads = []
    wide = _wide(rows)
    for index in chosen:
        column = columns[index]
        n, all_ = len(column.counted), len(column.runs)
        several = "" if all_ == 1 else f" ({n} of {all_} VALID)" if n < all_ else f" ({all_} runs)"
        heads.append(column.letter + several)
    yield _line("", heads, wide)
    for row in rows:
        cells = [row.cells[index] for index in chosen]
        if all(cell is None for cell in cells):
            continue
        yield _line(row.label, [_figure(cell, row.unit) for cell in cells], wide)
        if any(cell is not None and cell.low is not None for cell in cells):
            yield _line("", [_noise(cell, row.unit) for cell in cells], wide)


def _wide(rows: Sequence[Row]) -> int:
    """Return how wide the column of labels is."""
    return max([_LABEL, *(len(row.label) + 2 for row in rows)])


def _line(label: str, cells: Sequence[str], wide: int) -> str:
    return (f"{label:<{wide}}" + "".join(f"{cell:<{_CELL}}" for cell in cells)).rstrip()


def _figure(cell: Cell | None, unit: str) -> str:
    if cell is None:
        return "-"
    words = [display(cell.value, unit) + ("" if cell.valid else "!")]
    if cell.judgement != "base":
        words += [_change(cell.change), _WORDS[cell.judgement]]
    return " ".join(filter(None, words))


def _change(change: float | None) -> str:
    if change is None:
        return ""
    if change >= 9:
        return f"x{display(1 + change, '')}"
    return f"{100 * change:+.0f} %" if abs(change) >= 0.0995 or change == 0 else f"{100 * change:+.1f} %"


def _noise(cell: Cell | None, unit: str) -> str:
    if cell is None or cell.low is None or cell.high is None:
        return ""
    if cell.spread is not None:
        return f"  ± {display(cell.spread, unit)}"
    low, high = display(cell.low, unit), display(cell.high, unit)
    number, _, word = low.partition(" ")
    return f"  {number if high.endswith(f' {word}') else low} to {high}"


def _legend(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[str]:
    cells = [cell for row in rows for cell in row.cells if cell is not None]
    bases = {cell.basis for cell in cells}
    judged = {cell.judgement for cell in cells}
    if "same" in judged:
        yield "≈ no difference beyond noise (95 %)"
    if "intervals" in bases:
        yield "  one run each: judged by the intervals within them; what changes from run to run is in none of these"
    if any(cell.spread is not None for cell in cells):
        yield "± standard deviation over the repeats"
    if "not judged" in judged:
        reasons = sorted({cell.reason for cell in cells if cell.judgement == "not judged"})
        yield f"? not judged: {'; '.join(reasons)}"
    if not all(column.valid for column in columns):
        yield "! of a run that is INVALID: do not believe it"


def _unlike(columns: Sequence[Column], found: Sequence[Unlike]) -> Iterator[str]:
    width = max((len(name) for name, _ in found), default=0)
    for name, values in found:
        words = [f"{column.letter} {_leaf(value)}" for column, value in zip(columns, values, strict=True)]
        yield f"  {name:<{width}}  {'  |  '.join(words)}"


def _leaf(value: Any) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def as_json(columns: Sequence[Column], rows: Sequence[Row], unlike: Mapping[str, Sequence[Unlike]]) -> dict[str, Any]:
    """Return the same for programs: changes as ratios, figures in base units."""
    return {
        "columns": [
            {
                "letter": column.letter,
                "runs": [
                    {"id": run.manifest.id, "valid": run.valid, "findings": run.summary.get("findings", [])}
                    for run in column.runs
                ],
                "counted": [run.manifest.id for run in column.counted],
            }
            for column in columns
        ],
        "figures": list(figures(columns, rows)),
        "differences": {
            what: [
                {"name": name, "values": dict(zip((column.letter for column in columns), values, strict=True))}
                for name, values in found
            ]
            for what, found in unlike.items()
        },
    }
