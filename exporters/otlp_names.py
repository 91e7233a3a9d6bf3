"""OpenTelemetry's names as Prometheus's: the specification's "Prometheus and OpenMetrics Compatibility"."""

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

_UNITS: Mapping[str, str] = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "kBy": "kilobytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
}
_PER: Mapping[str, str] = {
    "s": "second",
    "m": "minute",
    "min": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
_OURS = re.compile(r"(exporter|gpu|lustre|cgroup|process_tree|page|load|run|scrape|otlp)_.*|up|node_.*|pg_.*")
"""Names that others of a run's targets have: the same name from a program gets the prefix `otlp_`."""

_ANNOTATION = re.compile(r"\{[^}]*\}")


def metric_name(name: str, unit: str, *, monotonic: bool = False, gauge: bool = False) -> str:
    """Return Prometheus's name of a metric; a counter's without its `_total`."""
    clean = re.sub(r"_{2,}", "_", re.sub(r"[^a-zA-Z0-9_:]", "_", name)).strip("_")
    parts = clean.split("_") if clean else []
    if monotonic and parts[-1:] == ["total"]:
        parts.pop()
    # A unit is added unless the name ends with it, or with the beginning of it; one in the middle is no suffix.
    words = [word for part in _unit_words(unit, gauge=gauge) for word in part.split("_")]
    there = next((size for size in range(len(words), 0, -1) if parts[-size:] == words[:size]), 0)
    parts += words[there:]
    full = "_".join(parts) or "unnamed"
    if full[0].isdigit():
        full = f"_{full}"
    return f"otlp_{full}" if _OURS.fullmatch(full) else full


def _unit_words(unit: str, *, gauge: bool) -> list[str]:
    plain = _ANNOTATION.sub("", unit).strip()
    if plain == "1":
        return ["ratio"] if gauge else []
    many, slash, per = plain.partition("/")
    words = [_word(_UNITS.get(many, many))]
    if slash and per:
        words += ["per", _word(_PER.get(per, per))]
    return [word for word in words if word]


def _word(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "_", text).strip("_")


def label_name(key: str) -> str:
    """Return Prometheus's name of an attribute."""
    clean = re.sub(r"_{2,}", "_", re.sub(r"[^a-zA-Z0-9_]", "_", key)) or "_"
    return f"key_{clean}" if clean[0].isdigit() else clean


def labels(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the labels of attributes; values of keys that become the same name are joined with `;`."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in sorted(pairs):
        found[label_name(key)].append(value)
    return {name: ";".join(values) for name, values in found.items()}


def attributes(values: Iterable[KeyValue]) -> list[tuple[str, str]]:
    """Return attributes as text."""
    return [(pair.key, text(pair.value)) for pair in values]


def text(value: AnyValue) -> str:
    """Return an attribute's value as text: JSON for lists and maps, base64 for bytes."""
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def _plain(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case None:
            return ""
        case field:
            plain: object = getattr(value, field)
            return plain
