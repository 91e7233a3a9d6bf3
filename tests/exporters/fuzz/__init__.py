"""Inputs for the fuzz run: a module here offers `CASES`, and `tests/exporters/test_fuzz.py` mutates their seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A parser: `check` is given mutated `seeds`; it must return, and asserts what holds for whatever was read."""

    name: str
    seeds: Sequence[bytes]
    check: Callable[[bytes], object]
