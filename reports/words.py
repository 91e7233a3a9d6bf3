"""Figures as people read them: 12.3 ms, 95.1 %, 4 req/s, 1.5 GiB."""

import math
import signal
from datetime import datetime

_SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "bytes": ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
}


def display(value: float | None, unit: str) -> str:
    """Write a value with its unit: `s`, `ratio`, `bytes`, `bytes/s`, or a word that follows the number."""
    if value is None or math.isnan(value):
        return "-"
    if unit == "ratio":
        return f"{_short(100 * value)} %"
    base, slash, tail = unit.partition("/")
    if base in _SCALES:
        steps = _SCALES[base]
        own = (1.0, "B" if base == "bytes" else base)
        factor, word = next((s for s in steps if abs(value) >= s[0] * 0.9995), steps[-1]) if value else own
        return f"{_short(value / factor)} {word}{slash}{tail}"
    return f"{_short(value)} {unit}".strip()


def _short(value: float) -> str:
    """Write three significant digits, thousands grouped, without an exponent between 1e-4 and 1e15."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e15 or size < 1e-4:
        return f"{value:.1e}"
    if size >= 999.5:
        return f"{value:,.0f}"
    text = f"{value:.{max(0, 2 - math.floor(math.log10(size) + 1e-9))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ended_with(code: int | None) -> str:
    """Say how a program ended, by its exit code (negative: the signal)."""
    if code is None:
        return "exit code unknown"
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def clock(moment: datetime) -> str:
    """Write the time of day, UTC."""
    return moment.strftime("%H:%M:%S")


def count(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: 1 request, 2 requests."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
