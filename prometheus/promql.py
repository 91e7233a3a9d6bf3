"""PromQL as text: what an expression asks for, how a duration is written. No parser: Prometheus finds what is wrong."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKENS = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)|(?P<note>\#[^\n]*)|(?P<window>\[[^\]]*\])"""
    r"""|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<number>[0-9][0-9a-zA-Z_.]*)|(?P<sign>[(){}]|[^\s])"""
)
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = _GROUPING | {"and", "or", "unless", "bool", "offset", "inf", "nan", "atan2", "start", "end"}
_MAKERS = {"absent", "absent_over_time", "vector", "scalar", "time"}
"""Functions that answer though their metric is not there."""
_QUOTED_NAME = re.compile(r"[\"'`][a-zA-Z_:][a-zA-Z0-9_:]*[\"'`]")


@dataclass(frozen=True)
class Mention:
    """A metric that an expression names, and the function that it stands in, `` for none."""

    metric: str
    function: str


def mentions(expression: str) -> list[Mention]:
    """Return the metrics that an expression names, in their order."""
    return list(_mentions(expression))


def metrics(expression: str) -> tuple[str, ...]:
    """Return the names of metrics in an expression, in order, each once."""
    return tuple(dict.fromkeys(mention.metric for mention in _mentions(expression)))


def answers_of_nothing(expression: str) -> bool:
    """Tell whether an expression may have an answer without any of its metrics."""
    return bool(_MAKERS & set(re.findall(r"[a-z_]+(?=\s*\()", expression))) or not metrics(expression)


def duration(seconds: float) -> str:
    """Write a duration as PromQL reads it: in ms where it is no whole number of seconds."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def rate_window(interval: float) -> float:
    """Return the seconds over which rates are taken of what is scraped each `interval` seconds.

    Four scrapes: two in a row may be missed. No less than 4 s: shorter windows of a fast scrape show noise.
    """
    return max(4.0 * interval, 4.0)


def _mentions(expression: str) -> Iterator[Mention]:
    tokens = list(_tokens(expression))
    depth, label, function = 0, "", ""
    for place, token in enumerate(tokens):
        word = token.group()
        following = tokens[place + 1].group() if place + 1 < len(tokens) else ""
        if word in "{}" and token.lastgroup == "sign":
            depth += 1 if word == "{" else -1
            function = _around(tokens, place)
        elif depth > 0:
            # {__name__="x"} names a metric, and so does {"x"} of Prometheus 3.
            if token.lastgroup == "text" and label == "__name__" and following != "~" and _QUOTED_NAME.fullmatch(word):
                yield Mention(word[1:-1], function)
            label = word if token.lastgroup == "name" else label if word == "=" else ""
        elif token.lastgroup != "name" or following == "(" or word.lower() in _WORDS:
            continue
        elif not place or tokens[place - 1].group() != "$":  # else a variable of a dashboard
            yield Mention(word, _around(tokens, place))


def _tokens(expression: str) -> Iterator[re.Match[str]]:
    """Yield the tokens but notes, and grouping words with the labels that they bracket."""
    grouping = bracketed = False
    for token in _TOKENS.finditer(expression):
        word = token.group()
        if token.lastgroup == "note":
            continue
        if bracketed:
            bracketed = word != ")"
        elif grouping and word == "(":
            grouping, bracketed = False, True
        else:
            grouping = token.lastgroup == "name" and word.lower() in _GROUPING
            if not grouping:
                yield token


def _around(tokens: list[re.Match[str]], place: int) -> str:
    """Return the function whose bracket opens just before a token."""
    opened = place > 1 and tokens[place - 1].group() == "(" and tokens[place - 2].lastgroup == "name"
    return tokens[place - 2].group() if opened else ""
