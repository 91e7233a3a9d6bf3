"""Rules about what came back: right answers, to different questions, all of which were asked."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from reports.evidence import Evidence
from reports.honesty import Level, finding
from reports.statistics import noise
from reports.words import count, display
from runs.manifest import Finding

_WRONG = frozenset(
    {"truncated", "malformed", "checksum", "empty", "short_answer", "not_finite", "zero_vector", "not_repeatable"}
)

WRONG_SHARE = 0.001
CACHED_SHARE = 0.5
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


def tokens_known(evidence: Evidence) -> Iterator[Finding]:
    """See that all answers told their tokens, or none: rates of tokens are of those that did.

    (vLLM's and AIPerf's clients count the missing ones with a tokenizer, which need not be the server's.)
    """
    good = evidence.measured.requests.good
    told = ~np.isnan(good.tokens_out)
    without = int((~told).sum())
    if told.any() and without:
        text = f"{without:,} of {count(len(good), 'good answer')} told no tokens: token rates are those of the others"
        yield finding("tokens_known", "warning", text, without=without, answers=len(good))


def recall_known(evidence: Evidence) -> Iterator[Finding]:
    """Expect recall beside the speed of a search: one without truth can be made as fast as one likes.

    (VectorDBBench #200: a rate at unequal recall compares nothing; qdrant's benchmark counts recall 1.0 where there is
    no ground truth.)
    """
    window = evidence.measured
    if evidence.recipe.load.generator in SEARCHES and window.succeeded and window.recall is None:
        text = "no answer was held against the exact one: a search of unknown recall has no speed"
        yield finding("recall_known", "invalid", text, requests=window.count)


def nothing_dropped(evidence: Evidence) -> Iterator[Finding]:
    """See that the load tool sent all that its schedule called for.

    k6 leaves iterations out when it has no free virtual user, and corrects no latency for it: the slowest moments are
    those that are missing.
    """
    for phase in evidence.measured.phases:
        dropped = _natural(evidence.load_phase(phase.name), "dropped")
        if dropped:
            text = f"phase {phase.name}: the load tool dropped {count(dropped, 'request')} that its schedule called for"
            yield finding("nothing_dropped", "invalid", text, phase=phase.name, dropped=dropped)


def not_cached(evidence: Evidence) -> Iterator[Finding]:
    """See that a request that was sent before does not come back in less than half the time: a cache answered it.

    A load that has only so many different requests says how many (`distinct` in its notes): each of them is sent once
    before any is sent again. The medians of first and of later answers are compared where there are 30 of each, and the
    difference is beyond noise (a rank test, Mann and Whitney 1947). With fewer of one nobody can tell: a warning.
    """
    notes = evidence.load_result.get("notes")
    distinct = _natural(notes, "distinct") if isinstance(notes, dict) else None
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


def _natural(facts: Mapping[str, Any], name: str) -> int | None:
    value = facts.get(name)
    return value if type(value) is int and value >= 0 else None
