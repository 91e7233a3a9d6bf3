"""Whether somebody else used the machine meanwhile."""

from collections.abc import Iterable

from benchmarks.figures import Spread
from benchmarks.loadtests.stage import Use

_QUIET = 0.1
"""Cores. What the kernel does beside all programs takes some hundredths."""


def tell(uses: Iterable[Use]) -> None:
    """Print how many cores others kept busy while something was measured."""
    others = Spread.of(use.others for use in uses)
    _, middle, high = others.cells()
    doubt = "" if others.high <= _QUIET else ": figures of rounds in which that was much are too high"
    print(f"\n  others kept {middle} cores busy in the median round, {high} in the worst{doubt}", flush=True)
