"""Quantities as people write them, and as programs want them: seconds and ratios."""

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|min|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:([kKMGT])(i)?)?B?")
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):(\d{1,2})(?::(\d{1,2}))?")


def seconds(value: object) -> float:
    """Read a duration: 500ms, 5s, 1m30s, 2h, Slurm's 20:00, 00:20:00 and 1-12:00:00, or a number of seconds.

    Raises ValueError with the accepted forms.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    if clock := _CLOCK.fullmatch(text):
        days, first, second, third = clock.groups()
        if third is None and days is None:  # Slurm reads MM:SS
            return int(first) * 60.0 + int(second)
        return int(days or 0) * 86400.0 + int(first) * 3600.0 + int(second) * 60.0 + int(third or 0)
    position, total = 0, 0.0
    for part in _PART.finditer(text):
        if part.start() != position:
            break
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    if text and position == len(text):
        return total
    raise ValueError(f"{value!r} is not a duration: write 500ms, 30s, 1m30s, 2h or 00:20:00")


def ratio(value: object) -> float:
    """Read a share: 1%, 0.5 % or 0.01. Raises ValueError with the accepted forms."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    try:
        return float(text[:-1]) / 100.0 if text.endswith("%") else float(text)
    except ValueError:
        raise ValueError(f"{value!r} is not a share: write 1% or 0.01") from None


def quantity(value: object) -> float:
    """Read an objective's bound: a duration with a unit, a percentage, or a plain number in base units."""
    text = str(value).strip()
    return ratio(value) if text.endswith("%") or re.fullmatch(r"-?\d+(\.\d+)?([eE]-?\d+)?", text) else seconds(value)


def size(value: object) -> int:
    """Read a number of bytes: 4KiB, 8 MiB, 1GB (decimal), or a whole number. Raises ValueError with the forms."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if (found := _SIZE.fullmatch(str(value).strip())) is None:
        raise ValueError(f"{value!r} is not a size: write 4KiB, 8MiB, 1GB or a number of bytes")
    number, unit, binary = found.groups()
    power = " kMGT".index((unit or " ").replace("K", "k"))
    return round(float(number) * float((1024 if binary else 1000) ** power))


_TEXT_OR_NUMBER = [{"type": "string"}, {"type": "number", "minimum": 0}]
Duration = Annotated[
    float,
    BeforeValidator(seconds),
    WithJsonSchema({"anyOf": _TEXT_OR_NUMBER, "description": "a duration: 500ms, 30s, 1m30s, 2h, 00:20:00"}),
]
Quantity = Annotated[
    float,
    BeforeValidator(quantity),
    WithJsonSchema({"anyOf": _TEXT_OR_NUMBER, "description": "a duration with its unit, a percentage, or a number"}),
]
Bytes = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema({"anyOf": _TEXT_OR_NUMBER, "description": "a size: 4KiB, 8MiB, 1GB, or a number of bytes"}),
]
