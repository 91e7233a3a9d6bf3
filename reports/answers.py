"""Rules about what came back: right answers, to different questions, all of which were asked."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from reports.evidence import Evidence
from reports.honesty import Level, finding
from reports.statistics import SIGMAS, Counts, Floats, noise
from reports.words import count, display
from runs.manifest import Finding

_WRONG = frozenset(
    {"truncated", "malformed", "checksum", "empty", "short_answer", "not_finite", "zero_vector", "not_repeatable"}
)

WRONG_SHARE = 0.001
CACHED_SHARE = 0.5
RECALL_PARTS, RECALL_DROP = 10, 0.05
_FEWEST = 10
_ENOUGH = 30
SEARCHES = frozenset({"vector"})
"""Generators whose answers mean nothing without recall."""


def is_wrong(kind: str) -> bool:
    """Tell whether a kind of failure is one in which the service answered, and not what it should."""
    return kind in _WRONG or kind.startswith("wrong_")


def right_answers(evidence: Evidence) -> Iterator[Finding]:
    """See that the service answers right: beyond one in a thousand, what it does fast is not what it was asked for.

    An answer cut short, garbled or wrong is quicker than a right one. (MLPerf judges accuracy before speed; fio and
    warp end a run at the first wrong checksum.)
    """
    window = evidence.measured
    kinds = {kind: number for kind, number in window.errors.items() if is_wrong(kind)}
    wrong = sum(kinds.values())
    if not wrong:
        return
    level: Level = "invalid" if wrong > max(1.0, WRONG_SHARE * window.count) else "warning"
    told = ", ".join(f"{kind} {number}" for kind, number in kinds.items())
    text = f"{wrong:,} of {count(window.count, 'answer')} were wrong ({told})"
    yield finding("right_answers", level, text, wrong=wrong, requests=window.count, kinds=kinds)


def recall_known(evidence: Evidence) -> Iterator[Finding]:
    """Expect recall beside the speed of a search: one without truth can be made as fast as one likes.

    (VectorDBBench #200: a rate at unequal recall compares nothing; qdrant's benchmark counts recall 1.0 where there is
    no ground truth.)
    """
    window = evidence.measured
    if evidence.recipe.load.generator in SEARCHES and window.succeeded and window.recall is None:
        text = "no answer was held against the exact one: a search of unknown recall has no speed"
        yield finding("recall_known", "invalid", text, requests=window.count)


def recall_steady(evidence: Evidence) -> Iterator[Finding]:
    """See that recall is the same all through a phase: quick answers of a poor stretch flatter the rest.

    Operation by operation (each value of a sweep has a recall of its own) a phase is cut into ten equal parts; the mean
    of none may lie below that of the others by over 0.05, and beyond noise (its standard error by the scatter of single
    answers). Parts of fewer than ten answers are not judged.
    """
    for phase in evidence.measured.phases:
        begin, end = phase.started.timestamp(), phase.ended.timestamp()
        good = evidence.window([phase]).requests.good
        good = good.select(~np.isnan(good.recall))
        if not len(good) or end <= begin:
            continue
        part = np.floor((good.at("intended") - begin) / (end - begin) * RECALL_PARTS).astype(np.int64)
        for code in np.unique(good.operation.codes):
            mine = good.operation.codes == code
            if (worst := _poorest(good.recall[mine], part[mine])) is not None:
                name = f" ({good.operation.words[code]})" if code >= 0 else ""
                low, rest, number = worst
                text = (
                    f"phase {phase.name}{name}: recall fell from {rest:.3f} to {low:.3f} in a tenth of the phase: the "
                    "speed is of two different searches"
                )
                yield finding(
                    "recall_steady", "invalid", text,
                    phase=phase.name, recall_lowest=round(low, 4), recall_others=round(rest, 4), part=number,
                )  # fmt: skip


def _poorest(recall: Floats, part: Counts) -> tuple[float, float, int] | None:
    """Return the lowest mean of a part, the mean of the others, and which part; None: it is not beyond noise."""
    found = None
    for number in range(RECALL_PARTS):
        here = part == number
        if min(int(here.sum()), int((~here).sum())) < _FEWEST:
            continue
        low, rest = float(recall[here].mean()), float(recall[~here].mean())
        variance = max(float(recall[~here].var()), 1e-6)
        limit = max(RECALL_DROP, SIGMAS * float(np.sqrt(variance * (1 / here.sum() + 1 / (~here).sum()))))
        if rest - low > limit and (found is None or low < found[0]):
            found = (low, rest, number)
    return found


def nothing_dropped(evidence: Evidence) -> Iterator[Finding]:
    """See that the load tool sent all that its schedule called for.

    k6 leaves iterations out when it has no free virtual user, and corrects no latency for it: the slowest moments are
    those that are missing.
    """
    for phase in evidence.measured.phases:
        dropped = natural(evidence.load_phase(phase.name), "dropped")
        if dropped:
            text = f"phase {phase.name}: the load tool dropped {count(dropped, 'request')} that its schedule called for"
            yield finding("nothing_dropped", "invalid", text, phase=phase.name, dropped=dropped)


def not_cached(evidence: Evidence) -> Iterator[Finding]:
    """See that a request that was sent before does not come back in less than half the time: a cache answered it.

    A load that has only so many different requests says how many (`distinct` in its notes): each of them is sent once
    before any is sent again. The medians of first and of later answers are compared where there are 30 of each, and the
    difference is beyond noise (a rank test, Mann and Whitney 1947). With fewer of one nobody can tell: a warning.
    """
    distinct = natural(evidence.notes, "distinct")
    good = evidence.measured.requests.good
    if not distinct or evidence.measured.count < 2 * distinct:
        return
    took = good.between("intended", "done")
    first = good.number < distinct
    often = evidence.measured.count / distinct
    facts = {"distinct": distinct, "requests": evidence.measured.count}
    if min(int(first.sum()), int((~first).sum())) >= _ENOUGH:
        before, after = float(np.median(took[first])), float(np.median(took[~first]))
        if after < CACHED_SHARE * before and _smaller(took[~first], took[first]):
            text = (
                f"repeated requests came back in {display(after, 's')}, new ones in {display(before, 's')} (medians): "
                "a cache answered them"
            )
            yield finding("not_cached", "invalid", text, first_seconds=before, repeated_seconds=after, **facts)
        return
    text = f"each of {distinct:,} different requests was sent about {often:.3g} times: a cache may have answered them"
    yield finding("not_cached", "warning", text, **facts)


def _smaller(some: "np.ndarray[Any, np.dtype[np.float64]]", others: "np.ndarray[Any, np.dtype[np.float64]]") -> bool:
    """Tell whether `some` are smaller than `others` beyond noise (Mann and Whitney's U, normal approximation)."""
    m, n = len(some), len(others)
    ranks = np.argsort(np.argsort(np.concatenate([some, others]), kind="stable"), kind="stable") + 1.0
    u = float(ranks[:m].sum()) - m * (m + 1) / 2
    return m * n / 2 - u > noise(m * n * (m + n + 1) / 12)


def natural(facts: Mapping[str, Any], name: str) -> int | None:
    """Return a count that a load told of itself; what cannot be one is none."""
    value = facts.get(name)
    return value if type(value) is int and value >= 0 else None
