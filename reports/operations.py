"""The measured requests operation by operation: reads and writes, transactions, the values of a sweep.

Taken together they say little: a p99 of GET and PUT is that of whichever is slower.
"""

import re
from collections.abc import Iterator

from reports.evidence import Evidence
from reports.window import Window

OTHERS = "(others)"
"""What requests without an operation are called where some have one."""


def windows(evidence: Evidence) -> dict[str, Window]:
    """Return the measured window of each operation, in natural order; nothing where there are fewer than two."""
    whole = evidence.measured
    names = set(whole.requests.operation.counts(OTHERS))
    return {name: of(whole, name) for name in sorted(names, key=_natural)} if len(names) > 1 else {}


def of(whole: Window, name: str) -> Window:
    """Return the part of a window that is of one operation."""
    mine, everyone = (
        part.select(part.operation.among({name}) if name != OTHERS else part.operation.codes < 0)
        for part in (whole.requests, whole.everything)
    )
    return Window(whole.phases, mine, everyone)


def _natural(name: str) -> tuple[bool, list[tuple[bool, float, str]]]:
    """Sort ef_search=20 before ef_search=100, and the others last."""
    return name == OTHERS, list(_pieces(name))


def _pieces(name: str) -> Iterator[tuple[bool, float, str]]:
    for piece in re.findall(r"\d+|\D+", name):
        yield (False, float(piece), "") if piece.isdecimal() else (True, 0.0, piece)
