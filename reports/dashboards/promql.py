"""What an expression asks for: the names of its metrics. No parser: Prometheus says what it cannot read."""

import re
from collections.abc import Iterator

_TOKENS = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)|(?P<note>\#[^\n]*)|(?P<window>\[[^\]]*\])"""
    r"""|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<number>[0-9][0-9a-zA-Z_.]*)|(?P<sign>[(){}]|[^\s])"""
)
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {*_GROUPING, "and", "or", "unless", "bool", "offset", "inf", "nan", "atan2", "start", "end"}
_MAKERS = {"absent", "absent_over_time", "vector", "scalar", "time"}
"""Functions that answer though their metric is not there."""


def metrics(expression: str) -> tuple[str, ...]:
    """Return the names of metrics in an expression, in order, each once."""
    return tuple(dict.fromkeys(_metrics(expression)))


def answers_of_nothing(expression: str) -> bool:
    """Tell whether an expression may have an answer without any of its metrics."""
    return bool(_MAKERS & set(re.findall(r"[a-z_]+(?=\s*\()", expression))) or not metrics(expression)


def _metrics(expression: str) -> Iterator[str]:
    tokens = [match for match in _TOKENS.finditer(expression) if match.lastgroup != "note"]
    depth, skip, label = 0, False, ""
    for place, token in enumerate(tokens):
        word = token.group()
        following = tokens[place + 1].group() if place + 1 < len(tokens) else ""
        if word in "{}" and token.lastgroup == "sign":
            depth += 1 if word == "{" else -1
        elif word == ")":
            skip = False
        elif depth > 0:
            # {__name__="x"} names a metric, and so does {"x"} of Prometheus 3.
            named = label == "__name__" and following != "~"
            if token.lastgroup == "text" and re.fullmatch(r"[\"'`][a-zA-Z_:][a-zA-Z0-9_:]*[\"'`]", word) and named:
                yield word[1:-1]
            label = word if token.lastgroup == "name" else label if word == "=" else ""
        elif token.lastgroup == "name" and not skip:
            if word.lower() in _GROUPING:
                skip = following == "("
            elif following != "(" and word.lower() not in _WORDS and not _aggregated(word, following):
                yield word


def _aggregated(word: str, following: str) -> bool:
    """Tell whether it is an aggregation with its labels before its brackets: `sum by (node) (...)`."""
    return following in {"by", "without"} and word.islower()


def names_variable(text: str, name: str) -> bool:
    """Tell whether a text uses a template variable."""
    return re.search(rf"\$\{{?{re.escape(name)}\b|\[\[{re.escape(name)}\b", text) is not None
