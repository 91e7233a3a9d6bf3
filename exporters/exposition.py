"""Reads Prometheus' text format 0.0.4 as others write it: a keep-list before parsing, and a bad line costs that line.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/, and what OpenMetrics adds to it: exemplars, times
with fractions, more types. prometheus_client's own parser reads every line at ten times the cost, and gives up the
whole page at the first bad one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SERIES = re.compile(rf'({_NAME})[ \t]*(?:\{{((?:[^"}}]|"(?:[^"\\]|\\.)*")*)\}})?', re.DOTALL)
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(,|$)', re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[iI]nf(?:inity)?|NaN|nan)", re.ASCII)
_TIMESTAMP = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,9})?", re.ASCII)
_EXEMPLAR = re.compile(
    rf'[ \t]+#[ \t]*\{{(?:[^"}}]|"(?:[^"\\]|\\.)*")*\}}[ \t]+(?:{_NUMBER.pattern})(?:[ \t]+{_TIMESTAMP.pattern})?\Z',
    re.ASCII,
)
_ABOUT = re.compile(rf"#[ \t]*(HELP|TYPE)[ \t]+({_NAME})(?:[ \t]+(.*))?")
_START = re.compile(_NAME)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}
_TYPES = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})
_OPEN_METRICS = frozenset({"unknown", "info", "stateset", "gaugehistogram"})
"""Types that text format 0.0.4 does not have; their samples are passed on without one."""

_REMEMBERED = 100_000
"""Series whose labels are kept between pages: they are the same at each scrape, and parsing them is the larger part."""

Keep = Callable[[str], bool]
"""Tells by its name whether a metric is wanted."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A line. `text` is the value as it was written: sentinels near 2^63 are no longer told apart as floats."""

    name: str
    labels: Mapping[str, str]
    value: float
    text: str


@dataclass(frozen=True)
class Page:
    """What a page says of the metrics that are wanted; `malformed` lines and repeated series are left out."""

    samples: tuple[Sample, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    helps: Mapping[str, str] = field(default_factory=dict)
    malformed: int = 0


def keep(pattern: str) -> Keep:
    """Return a keep-list from an anchored regular expression of metric names. Raises re.error."""
    return re.compile(f"(?:{pattern})$").match  # type: ignore[return-value] # a match is as good as True


class Parser:
    """Parses page after page of one source. Not for several threads at once."""

    def __init__(self, wanted: Keep | None = None) -> None:
        self._wanted = wanted
        self._names: dict[str, bool] = {}
        self._series: dict[str, tuple[str, Mapping[str, str]] | None] = {}

    def parse(self, content: bytes) -> Page:
        """Read a page. Never raises: what is no UTF-8 is a malformed line like any other."""
        samples: list[Sample] = []
        types: dict[str, str] = {}
        helps: dict[str, str] = {}
        malformed = 0
        seen: set[str] = set()
        for line in _lines(content):
            if line[0] == "#":
                malformed += self._about(line, types, helps)
                continue
            start = _START.match(line)
            if start is None:
                malformed += 1
                continue
            name = start[0]
            if not self._keeps(name):
                continue
            sample, key = self._sample(line)
            if sample is None or key in seen:
                malformed += 1
            else:
                seen.add(key)
                samples.append(sample)
        if len(self._series) > _REMEMBERED:
            self._series = {key: self._series[key] for key in seen}
        return Page(tuple(samples), types, helps, malformed)

    def _keeps(self, name: str) -> bool:
        if self._wanted is None:
            return True
        kept = self._names.get(name)
        if kept is None:
            if len(self._names) > _REMEMBERED:
                self._names.clear()
            kept = self._names[name] = bool(self._wanted(name))
        return kept

    def _about(self, line: str, types: dict[str, str], helps: dict[str, str]) -> int:
        """Take up a HELP or TYPE line; returns 1 if it is neither readable nor a mere comment."""
        match = _ABOUT.match(line)
        if match is None:
            return int(line.startswith(("# TYPE ", "# HELP ")))
        kind, name, text = match[1], match[2], match[3] or ""
        if kind == "HELP":
            helps.setdefault(name, _ESCAPE.sub(_unescape, text))
            return 0
        kind = "untyped" if text.strip() in _OPEN_METRICS else text.strip()
        if kind not in _TYPES:
            return 1
        types.setdefault(name, kind)
        return 0

    def _sample(self, line: str) -> tuple[Sample | None, str]:
        # The labels end at the last brace; what follows is a number. Lines that are odder than that are no series.
        if "#" in line:
            line = _EXEMPLAR.sub("", line)
        end = line.rfind("}") + 1
        if not end:
            end = len(line.split(None, 1)[0])
        key = line[:end]
        try:
            series = self._series[key]
        except KeyError:
            series = self._series[key] = _series(key)
        if series is None:
            return None, key
        words = line[end:].split()
        if not 1 <= len(words) <= 2 or (len(words) == 2 and _TIMESTAMP.fullmatch(words[1]) is None):
            return None, key
        if _NUMBER.fullmatch(words[0]) is None:
            return None, key
        return Sample(*series, float(words[0]), words[0]), key


def _lines(content: bytes) -> Iterator[str]:
    """Yield the lines that are not blank; only a line feed ends one."""
    for line in content.decode(errors="replace").split("\n"):
        stripped = line.strip(" \t\r")
        if stripped:
            yield stripped


def _series(key: str) -> tuple[str, Mapping[str, str]] | None:
    match = _SERIES.fullmatch(key)
    if match is None or "\ufffd" in key:
        return None
    inside = match[2]
    if inside is None or not inside.strip():
        return match[1], {}
    labels: dict[str, str] = {}
    position = 0
    while position < len(inside) and inside[position:].strip():
        label = _LABEL.match(inside, position)
        if label is None or label[1] in labels:
            return None
        labels[label[1]] = _ESCAPE.sub(_unescape, label[2])
        position = label.end()
    return match[1], labels


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPED.get(match[1], match[0])
