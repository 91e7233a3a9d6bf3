"""`singlestat`, which Grafana had until 7: made into a stat, or a gauge where it showed one."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.dashboards.reading import mapping, mappings, number, text, texts

_CALCS = {
    "current": "lastNotNull", "avg": "mean", "total": "sum", "min": "min", "max": "max", "first": "firstNotNull",
    "delta": "delta", "range": "range", "diff": "diff", "name": "lastNotNull",
}  # fmt: skip


def _single(one: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    dial, spark = mapping(one.get("gauge")), mapping(one.get("sparkline"))
    kind = "gauge" if dial.get("show") else "stat"
    colored = bool(one.get("colorBackground") or one.get("colorValue") or kind == "gauge")
    steps = list(_steps(one))
    unit, said = _unit(one)
    low, high = (dial.get("minValue", 0), dial.get("maxValue", 100)) if kind == "gauge" else (None, None)
    # `total` is a word of these panels for the sum, and `mean` what they took where they said nothing.
    options = {
        "colorMode": "background" if one.get("colorBackground") else "value" if colored else "none",
        "graphMode": "area" if spark.get("show") else "none",
        "textMode": "name" if one.get("valueName") == "name" else "auto",
        "reduceOptions": {"calcs": [_CALCS.get(text(one.get("valueName")), "mean")], "fields": _column(one)},
    }
    defaults = {
        "unit": unit,
        "decimals": one.get("decimals"),
        "min": low,
        "max": high,
        "noValue": one.get("nullText"),
        "thresholds": {"mode": "absolute", "steps": steps} if colored else {},
        "color": {"mode": "thresholds"},
        "mappings": _maps(one),
    }
    config = {"defaults": defaults, "overrides": []}
    return {**one, "type": kind, "fieldConfig": config, "options": options}, said


def _steps(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    bounds: list[float | None] = [None]
    bounds += [number(part) for part in text(one.get("thresholds")).split(",") if part.strip()]
    for bound, color in zip(bounds, texts(one.get("colors")), strict=False):
        yield {"value": bound, "color": color}


def _unit(one: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the unit with the words around the figure, and which words are left out."""
    unit, before, after = (text(one.get(key)).strip() for key in ("format", "prefix", "postfix"))
    if unit in {"", "none"} and after and not before:
        return f"suffix:{after}", []
    if unit in {"", "none"} and before and not after:
        return f"prefix:{before}", []
    words = " and ".join(repr(word) for word in (before, after) if word)
    return unit, [f"without the words {words} around its figure"] if words else []


def _column(one: Mapping[str, Any]) -> str:
    """Return the column of a table that is shown; a time series has none."""
    tables = any(target.get("format") == "table" for target in mappings(one.get("targets")))
    return text(one.get("tableColumn")) if tables else ""


def _maps(one: Mapping[str, Any]) -> list[Any]:
    """Values or ranges with their texts, whichever is switched on (mappingType 1 or 2)."""
    found = one.get("rangeMaps" if one.get("mappingType") == 2 else "valueMaps")
    return found if isinstance(found, list) else []


OLD = {"singlestat": _single, "grafana-singlestat-panel": _single}
