"""How a field is shown: Grafana's fieldConfig, its overrides applied, its older mappings made new."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.dashboards import reducers, regex
from reports.dashboards.interpolate import Scope
from reports.dashboards.reading import mapping, mappings, number, text
from reports.dashboards.reading import texts as as_texts
from reports.statistics import Floats

Wire = dict[str, Any]
"""What the page is told, in short keys: see `Field.wire`."""


@dataclass(frozen=True)
class Subject:
    """A column as matchers see it."""

    title: str
    name: str
    kind: str
    ref: str
    labels: Mapping[str, str]
    values: Floats | None = None


@dataclass(frozen=True)
class Field:
    """How one column is shown. Bounds and decimals are None where Grafana finds them itself."""

    title: str
    unit: str
    decimals: int | None
    low: float | None
    high: float | None
    color: Mapping[str, Any]
    thresholds: tuple[str, tuple[tuple[float | None, str], ...]]
    mappings: tuple[tuple[Any, ...], ...]
    empty: str
    custom: Mapping[str, Any]

    def wire(self) -> Wire:
        """Return what a page needs to write a value: u unit, d decimals, lo, hi, c colour, t thresholds, m mappings."""
        mode, steps = self.thresholds
        found: Wire = {"u": self.unit, "d": self.decimals, "lo": self.low, "hi": self.high}
        # Where no mode is given each kind of panel has its own: a palette over time, thresholds for one value.
        found["c"] = [text(self.color.get("mode")), text(self.color.get("fixedColor"))] if self.color else None
        found["t"] = [mode, [list(step) for step in steps]] if steps else None
        found["m"] = [list(one) for one in self.mappings] or None
        found["n"] = self.empty
        return {key: value for key, value in found.items() if value is not None and value != ""}


def of(defaults: Mapping[str, Any], overrides: Sequence[Mapping[str, Any]], subject: Subject, scope: Scope) -> Field:
    """Return the field of a column: the panel's defaults, then the overrides that match it, in order."""
    flat = {key: value for key, value in defaults.items() if key != "custom"}
    flat |= {f"custom.{key}": value for key, value in mapping(defaults.get("custom")).items()}
    for override in overrides:
        if matches(mapping(override.get("matcher")), subject, scope):
            found = override.get("properties")
            for one in found if isinstance(found, list) else ():
                flat[text(mapping(one).get("id"))] = mapping(one).get("value")
    decimals = flat.get("decimals")
    return Field(
        title=_title(text(flat.get("displayName")), subject, scope),
        unit=text(flat.get("unit")),
        decimals=min(12, max(0, int(number(decimals))))
        if isinstance(decimals, int | float | str) and decimals != ""
        else None,
        low=_bound(flat.get("min")),
        high=_bound(flat.get("max")),
        color=mapping(flat.get("color")),
        thresholds=_thresholds(mapping(flat.get("thresholds"))),
        mappings=tuple(_mappings(flat.get("mappings"))),
        empty=scope.words(text(flat.get("noValue"))),
        custom={key.removeprefix("custom."): value for key, value in flat.items() if key.startswith("custom.")},
    )


def _bound(value: object) -> float | None:
    found = number(value, float("nan"))
    return found if found == found else None  # noqa: PLR0124 - NaN is not itself


def _title(template: str, subject: Subject, scope: Scope) -> str:
    if not template:
        return subject.title
    for place, value in (
        ("${__series.name}", subject.title),
        ("${__field.displayName}", subject.title),
        ("${__field.name}", subject.name),
    ):
        template = template.replace(place, value)
    template = re.sub(
        r"\$\{__field\.labels(?:\.(\w+)|\[\"?'?(\w+)'?\"?\])\}|\$\{__field\.labels\}",
        lambda match: subject.labels.get(match[1] or match[2] or "", ""),
        template,
    )
    return scope.words(template)


def matches(matcher: Mapping[str, Any], subject: Subject, scope: Scope) -> bool:
    """Tell whether an override is for a column."""
    test = _MATCHERS.get(text(matcher.get("id")))
    return test is not None and test(matcher.get("options"), subject, scope)


def pattern(written: str) -> re.Pattern[str] | None:
    """Read a regular expression as Grafana writes it, /.../flags or bare; None where it cannot be read."""
    try:
        return regex.compiled(written, whole=True)
    except re.error:
        return None


def _by_name(options: object, subject: Subject, scope: Scope) -> bool:
    return scope.words(text(options)) in {subject.title, subject.name}


def _by_regexp(options: object, subject: Subject, scope: Scope) -> bool:
    found = pattern(scope.words(text(options)))
    return found is not None and found.search(subject.title) is not None


def _by_names(options: object, subject: Subject, _scope: Scope) -> bool:
    among = subject.title in as_texts(mapping(options).get("names"))
    return among != (mapping(options).get("mode") == "exclude")


def _by_value(options: object, subject: Subject, _scope: Scope) -> bool:
    """Compare a calculation over the values of a column."""
    wanted = mapping(options)
    compare = _COMPARE.get(text(wanted.get("op")))
    if compare is None or subject.values is None or subject.kind != "number":
        return False
    found = reducers.reduce(text(wanted.get("reducer")), subject.values)
    return found is not None and compare(found, number(wanted.get("value")))


_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq, "neq": operator.ne,
}  # fmt: skip
_MATCHERS: Mapping[str, Callable[[object, Subject, Scope], bool]] = {
    "byName": _by_name,
    "byRegexp": _by_regexp,
    "byNames": _by_names,
    "byFrameRefID": lambda options, subject, _scope: text(options) == subject.ref,
    "byType": lambda options, subject, _scope: text(options) == subject.kind,
    "byTypes": lambda options, subject, _scope: subject.kind in as_texts(options),
    "byValue": _by_value,
    "byRegexpOrNames": lambda options, subject, scope: (
        subject.title in as_texts(mapping(options).get("names"))
        or _by_regexp(mapping(options).get("pattern"), subject, scope)
    ),
    "anyMatch": lambda options, subject, scope: any(matches(one, subject, scope) for one in mappings(options)),
    "allMatch": lambda options, subject, scope: all(matches(one, subject, scope) for one in mappings(options)),
    "numeric": lambda _options, subject, _scope: subject.kind == "number",
    "time": lambda _options, subject, _scope: subject.kind == "time",
}


def unknown(overrides: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is to be said of overrides whose matchers are not known here, or cannot be read."""
    found: list[str] = []
    for matcher in (mapping(one.get("matcher")) for one in overrides if one.get("properties")):
        name, options = text(matcher.get("id")), text(matcher.get("options"))
        if name and name not in _MATCHERS:
            found.append(f"an override by {name} is not applied")
        elif name == "byRegexp" and pattern(options) is None:
            found.append(f"the override for {options} is not applied: that regular expression is not read here")
    return list(dict.fromkeys(found))


def _thresholds(found: Mapping[str, Any]) -> tuple[str, tuple[tuple[float | None, str], ...]]:
    # grafanalib writes the base step's value as the text "null".
    pairs = [(_bound(one.get("value")), text(one.get("color"))) for one in mappings(found.get("steps"))]
    ordered = sorted(pairs, key=lambda pair: float("-inf") if pair[0] is None else pair[0])
    return "percentage" if found.get("mode") == "percentage" else "absolute", tuple(ordered)


def _mappings(found: object) -> Iterator[tuple[Any, ...]]:
    """Yield mappings as the page takes them: what (v, r, x, s), on what, and the text and colour instead."""
    for one in found if isinstance(found, list) else ():
        kind, options = mapping(one).get("type"), mapping(mapping(one).get("options"))
        result = mapping(options.get("result"))
        words = (text(result.get("text")) or None, text(result.get("color")) or None)
        if kind == "value":
            for value, entry in options.items():
                yield "v", value, text(mapping(entry).get("text")) or None, text(mapping(entry).get("color")) or None
        elif kind == "range":
            yield ("r", [_bound(options.get("from")), _bound(options.get("to"))], *words)
        elif kind == "regex" and not regex.slow(text(options.get("pattern"))):
            yield ("x", text(options.get("pattern")), *words)
        elif kind == "special":
            yield ("s", text(options.get("match")), *words)
        else:
            yield from _old_mapping(mapping(one))


def _old_mapping(one: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Before Grafana 8: one value or one range, and a text."""
    words = text(one.get("text")) or None
    if text(one.get("value")) in {"null", "N/A"}:
        yield "s", "null", words, None
    elif text(one.get("value")):
        yield "v", text(one.get("value")), words, None
    elif text(one.get("from")) == text(one.get("to")) == "null":
        yield "s", "null", words, None
    elif text(one.get("from")):
        yield "r", [_bound(one.get("from")), _bound(one.get("to"))], words, None
