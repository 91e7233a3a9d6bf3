"""JSON of any shape read leniently: what has another type than is wanted is not there."""

from collections.abc import Mapping
from typing import Any


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """Return a text, or ""."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    # Half a surrogate pair, which JSON can write, is no text that a file or an address can hold.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def number(value: object, default: float = 0.0) -> float:
    """Return a finite number, or the default; Grafana also writes numbers as texts."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return default
    return found if abs(found) < float("inf") and not isinstance(value, bool) else default


def whole(value: object, default: int = 0) -> int:
    """Return a whole number, or the default."""
    return int(number(value, float(default)))


def texts(value: object) -> tuple[str, ...]:
    """Return a text or a list of texts as texts."""
    return tuple(text(one) for one in (value if isinstance(value, list) else [value]) if text(one))


def mappings(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a JSON list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
