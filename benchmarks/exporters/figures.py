"""Figures as they are printed: spreads, tables, and goals that are met or missed."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Smallest, median and largest of several rounds."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Return the spread of at least one value."""
        ordered = sorted(values)
        return cls(ordered[0], statistics.median(ordered), ordered[-1])

    def cells(self, scale: float = 1.0, digits: int = 2) -> tuple[str, str, str]:
        """Return the three as cells of a table, multiplied by `scale`."""
        return (
            f"{self.low * scale:.{digits}f}",
            f"{self.middle * scale:.{digits}f}",
            f"{self.high * scale:.{digits}f}",
        )


@dataclass(frozen=True)
class Goal:
    """A goal: `what` is to be at most `most` (in `unit`), by the median of the rounds."""

    what: str
    most: float
    unit: str
    spread: Spread

    @property
    def met(self) -> bool:
        """Whether the median is no larger than the goal."""
        return self.spread.middle <= self.most

    def __str__(self) -> str:
        low, middle, high = self.spread.cells()
        off = abs(self.spread.middle / self.most - 1)
        verdict = f"met, {off:.0%} below" if self.met else f"MISSED, {off:.0%} above"
        sure = "" if self.spread.low > self.most or self.spread.high <= self.most else "; rounds on both sides of it"
        return f"{self.what}: {middle} {self.unit} ({low} to {high}), goal <= {self.most:g}: {verdict}{sure}"


def show(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: the first column to the left, figures to the right."""
    table = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    print(f"\n{title}\n")
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cells).rstrip(), flush=True)
