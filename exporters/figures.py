"""Whole numbers as the kernel writes them. Stricter than int(), which takes 1_000, +1, blanks and other digits."""

import re
from dataclasses import dataclass
from typing import Generic, TypeVar

_WHOLE = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_LARGEST = 2**64

T = TypeVar("T")


@dataclass(frozen=True)
class Parsed(Generic[T]):
    """What could be read, and how many lines or values could not."""

    value: T
    malformed: int = 0


def whole(text: str) -> int | None:
    """Return the number that `text` is, within 64 bits; None where it is none."""
    if _WHOLE.fullmatch(text) is None:
        return None
    number = int(text)
    return number if -_LARGEST < number < _LARGEST else None


def natural(text: str) -> int | None:
    """Return the number that `text` is; None where it is none or is negative."""
    number = whole(text)
    return number if number is not None and number >= 0 else None
