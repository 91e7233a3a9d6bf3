"""The coverage table: the sources, those in trouble first, and those alike in one row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports.sources import Ages, Source, State
from reports.words import count

ORDER: tuple[State, ...] = ("down", "degraded", "ok", "nothing to read")
MOST_ROWS = 60
"""Rows of the table; what it has no room for is in summary.json."""


@dataclass(frozen=True)
class Row:
    """Sources of one job that have the same to say: each of `collectors` on each of `nodes`.

    Figures are the worst of them; shares as ratios, None where nothing was expected; gaps in seconds. `lines` say what
    is wrong, what was refused and why; `notes` are good to know.
    """

    state: State
    job: str
    role: str
    collectors: tuple[str, ...]
    nodes: tuple[str, ...]
    measured: float | None
    whole: float | None
    gaps: int
    longest: float
    ended: float | None
    ages: Ages | None
    lines: tuple[str, ...]
    notes: tuple[str, ...]


def rows(sources: Iterable[Source]) -> list[Row]:
    """Return the table. Nodes share a row where all that the row says holds of each of them."""
    on_a_node: dict[object, list[Source]] = {}
    for source in sources:
        key = (source.target.job, source.target.instance, source.state, _lines(source), source.notes)
        on_a_node.setdefault(key, []).append(source)
    alike: dict[object, list[list[Source]]] = {}
    for group in on_a_node.values():
        first, names = group[0], tuple(source.collector for source in group)
        alike.setdefault(
            (first.target.job, first.target.role, first.state, _lines(first), first.notes, names), []
        ).append(group)
    found = [_row(groups) for groups in alike.values()]
    return sorted(found, key=lambda row: ORDER.index(row.state))


def _row(groups: Sequence[Sequence[Source]]) -> Row:
    first, everyone = groups[0][0], [source for group in groups for source in group]
    worst = max((source.measured for source in everyone), key=lambda measured: measured.longest)
    ages = [source.ages for source in everyone if source.ages]
    return Row(
        state=first.state,
        job=first.target.job,
        role=first.target.role,
        collectors=tuple(source.collector for source in groups[0] if source.collector),
        nodes=tuple(dict.fromkeys(group[0].target.node for group in groups)),
        measured=_least(source.measured.share for source in everyone),
        whole=_least(source.whole.share for source in everyone),
        gaps=max(source.measured.gaps for source in everyone),
        longest=worst.longest,
        ended=worst.ended,
        ages=Ages(max(one.p50 for one in ages), max(one.most for one in ages)) if ages else None,
        lines=_lines(first),
        notes=first.notes,
    )


def totals(sources: Sequence[Source]) -> str:
    """Say how many sources there are, and in which states."""
    states = [source.state for source in sources]
    words = {"ok": "ok", "degraded": "degraded", "down": "down", "nothing to read": "with nothing to read"}
    parts = [f"{states.count(state)} {words[state]}" for state in ORDER if state in states]
    return f"{count(len(sources), 'source')}: {', '.join(parts)}" if parts else "no source"


def _lines(source: Source) -> tuple[str, ...]:
    return (*([source.reason] if source.reason else []), *source.faults, *source.losses)


def _least(shares: Iterable[float | None]) -> float | None:
    return min((share for share in shares if share is not None), default=None)
