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
    """A goal: `what` is to be at most `bound` (in `unit`), by the median of the rounds; with `least`, at least."""

    what: str
    bound: float
    unit: str
    spread: Spread
    least: bool = False

    def keeps(self, value: float) -> bool:
        """Tell whether a value is on the right side of the goal."""
        return value >= self.bound if self.least else value <= self.bound

    @property
    def met(self) -> bool:
        """Whether the median is on the right side of the goal."""
        return self.keeps(self.spread.middle)

    def __str__(self) -> str:
        low, middle, high = self.spread.cells()
        off = self.spread.middle / self.bound - 1
        side = f"{abs(off):.0%} {'below' if off < 0 else 'above'}"
        verdict = f"met, {side}" if self.met else f"MISSED, {side}"
        sure = self.keeps(self.spread.low) == self.keeps(self.spread.high)
        goal = f"{'>=' if self.least else '<='} {self.bound:g}"
        return (
            f"{self.what}: {middle} {self.unit} ({low} to {high}), goal {goal}: {verdict}"
            f"{'' if sure else '; rounds on both sides of it'}"
        )


def show(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: the first column to the left, figures to the right."""
    table = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    print(f"\n{title}\n")
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cells).rstrip(), flush=True)
