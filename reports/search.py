"""The search for the highest rate: its headline, its table, and what is to be said against its edge.

`load_result["search"]` is `loadtests.search.result.Found`. Rates in requests/s.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reports.evidence import Evidence
from reports.honesty import finding
from reports.words import count, display
from runs.manifest import Finding

_WORDS = {
    "errors": "failures",
    "keeping_up": "the service did not keep up",
    "client": "the client was late",
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Judged(_Part):
    """One objective in one probe; no value where too little was measured."""

    name: str
    bound: float
    value: float | None = None
    unit: str = ""
    upper: bool = True
    met: bool = False
    reason: str = ""


class Probe(_Part):
    """One rate that was tried. `void`: it was made again, and counts for nothing."""

    name: str
    rate: float
    requests: int = 0
    failed: int = 0
    achieved: float | None = None
    goodput: float | None = None
    passed: bool = False
    void: bool = False
    at_edge: bool = False
    broke: tuple[str, ...] = ()
    objectives: tuple[Judged, ...] = ()


class Search(_Part):
    """What a search found."""

    state: Literal["found", "above", "below", "unsettled", "interrupted"]
    highest_passing: float | None = None
    lowest_failing: float | None = None
    broke: tuple[str, ...] = ()
    goodput: float | None = None
    achieved: float | None = None
    monotonic: bool = True
    resolution: float = 0.0
    confirm: int = 1
    probes: tuple[Probe, ...] = Field(())


@dataclass(frozen=True)
class Row:
    """A probe as the table shows it: a cell for each objective, and the outcome in words."""

    probe: Probe
    cells: tuple[str, ...]
    outcome: str


@dataclass(frozen=True)
class Table:
    """The section of the report: the outcome in a sentence, the objectives with their bounds, the probes."""

    sentence: str
    titles: tuple[str, ...]
    rows: tuple[Row, ...]


def of(evidence: Evidence) -> Search | None:
    """Return what the load's search found; None where it made none, or what it says of it cannot be read."""
    raw = evidence.load_result.get("search")
    try:
        return Search.model_validate(raw) if isinstance(raw, Mapping) else None
    except ValidationError:
        return None


def summary(evidence: Evidence) -> Mapping[str, Any] | None:
    """Return the search as summary.json keeps it: as result.json does."""
    raw = evidence.load_result.get("search")
    return raw if isinstance(raw, Mapping) and of(evidence) is not None else None


def headline(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """Yield the edge: the highest passing rate with what it rests on, the lowest failing one with what broke."""
    found = of(evidence)
    if found is None:
        return
    edge = sum(probe.at_edge for probe in found.probes)
    if found.highest_passing is not None:
        detail = f"all objectives met in {count(edge, 'probe')}" if edge else "not confirmed"
        yield _row("highest passing rate", found.highest_passing, detail)
    if found.lowest_failing is not None:
        yield _row("lowest failing rate", found.lowest_failing, f"broke: {words(found.broke)}")
    yield _row("goodput at the edge", found.goodput, "requests within every bound")


def _row(label: str, value: float | None, detail: str) -> dict[str, Any]:
    text = f"{display(value, 'req/s')} ({detail})"
    return {"label": label, "value": value, "unit": "req/s", "detail": detail, "text": text}


def words(broke: Sequence[str]) -> str:
    """Say what broke."""
    return ", ".join(_WORDS.get(name, name) for name in broke) or "nothing"


def table(evidence: Evidence) -> Table | None:
    """Return the report's section; None where nothing was searched."""
    found = of(evidence)
    if found is None:
        return None
    first = found.probes[0].objectives if found.probes else ()
    titles = tuple(f"{o.name} {'≤' if o.upper else '≥'} {display(o.bound, o.unit)}" for o in first)
    return Table(sentence(found), titles, tuple(_probe(probe) for probe in found.probes))


def _probe(probe: Probe) -> Row:
    cells = tuple(
        f"{display(o.value, o.unit)}{'' if o.met else ' ✕'}" if o.value is not None else o.reason
        for o in probe.objectives
    )
    if probe.passed:
        return Row(probe, cells, "✓ passed")
    return Row(probe, cells, f"{'made again' if probe.void else '✕'}: {words(probe.broke)}")


def sentence(found: Search) -> str:
    """Say the outcome in a sentence."""
    low, high = display(found.highest_passing, "req/s"), display(found.lowest_failing, "req/s")
    tried = count(sum(not probe.void for probe in found.probes), "probe")
    if found.state == "found":
        times = f"{found.confirm} of {found.confirm} times"
        broke = f"and {high} the lowest that failed, by {words(found.broke)}"
        return f"{low} is the highest rate that passed, {times}, {broke} ({tried})."
    if found.state == "above":
        return f"Every rate passed, {low}, the highest that was allowed, too: the edge lies above it ({tried})."
    if found.state == "below":
        return f"No rate passed: {high} failed, by {words(found.broke)}, and nothing lower was tried ({tried})."
    why = "was interrupted" if found.state == "interrupted" else "ended without a confirmed edge"
    return f"The search {why}: {low} passed, {high} failed ({tried})."


def edge_found(evidence: Evidence) -> Iterator[Finding]:
    """Expect of a search an edge: a rate that passed as often as was asked, and one that failed.

    Without a passing rate, or one that was confirmed, there is nothing to report (INVALID). Where even the highest
    allowed rate passed the edge is a lower bound, and where a rate failed at or below one that had passed the outcomes
    near it are chance (AIPerf's monotonicity flag): a warning.
    """
    found = of(evidence)
    if found is None:
        if evidence.recipe.load.search is not None:
            yield finding("edge_found", "invalid", "the load left no result of its search")
        return
    facts = {
        "state": found.state, "highest_passing_per_second": found.highest_passing,
        "lowest_failing_per_second": found.lowest_failing, "probes": len(found.probes),
    }  # fmt: skip
    if found.state in {"below", "unsettled", "interrupted"}:
        mend = ": lower load.search.start" if found.state == "below" else ""
        yield finding("edge_found", "invalid", f"{sentence(found).rstrip('.')}{mend}", **facts)
    elif found.state == "above":
        yield finding("edge_found", "warning", sentence(found), **facts)
    if not found.monotonic:
        text = (
            "a rate failed at or below one that had passed: outcomes near the edge are chance; longer probes tell more"
        )
        yield finding("edge_found", "warning", text, **facts)


def edge_of_the_service(evidence: Evidence) -> Iterator[Finding]:
    """See that it was the service that broke at the lowest failing rate, by enough samples, and not the client.

    A client that is late in three probes at one rate is its own bottleneck: the edge is the client's (INVALID).
    """
    found = of(evidence)
    if found is None or found.lowest_failing is None:
        return
    facts = {"lowest_failing_per_second": found.lowest_failing, "broke": list(found.broke)}
    if "client" in found.broke:
        text = (
            f"the client was the bottleneck at {display(found.lowest_failing, 'req/s')}: the edge is not the service's"
        )
        yield finding("edge_of_the_service", "invalid", text, **facts)
    failed = [p for p in found.probes if p.rate == found.lowest_failing and not p.passed and not p.void]
    short = [o for p in failed[:1] for o in p.objectives if o.name in found.broke and o.value is None]
    if short and len(short) == len(found.broke):
        why = f"{short[0].name}: {short[0].reason}"
        text = f"{display(found.lowest_failing, 'req/s')} failed for want of samples only ({why})"
        yield finding("edge_of_the_service", "warning", text, **facts)
