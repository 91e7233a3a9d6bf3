"""Variables in texts: $name, ${name}, ${name:format}, [[name]], and Grafana's own $__interval and such.

Formats after https://grafana.com/docs/grafana/latest/dashboards/variables/variable-syntax/
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

_PLACES = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.[^:^}]+)?(?::([^}]+))?\}")
_EQUAL = re.compile(r"(?<![=!<>])(!?=)(\s*\"(?:\$|\$\{|\[\[)(\w+)(?:\}|\]\])?\")")
"""A label that equals a variable and nothing else."""
_SPECIAL = re.compile(r"[$^*{}\[\]'+?.()|\\]")


@dataclass(frozen=True)
class Chosen:
    """What a variable stands for: its values, `several` where more than one could be chosen.

    `instead` is the text that stands for all of them (Grafana's allValue); `text` is what a reader sees.
    """

    values: tuple[str, ...]
    several: bool = False
    instead: str = ""
    text: str = ""

    @property
    def words(self) -> str:
        """The values as a reader sees them."""
        return self.text or " + ".join(self.values)


@dataclass(frozen=True)
class Scope:
    """All that a text may name: variables, and texts of Grafana's own."""

    chosen: Mapping[str, Chosen] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)

    def with_own(self, **own: str) -> "Scope":
        """Return the scope with more texts."""
        return Scope(self.chosen, {**self.own, **own})

    def with_one(self, name: str, value: str) -> "Scope":
        """Return the scope in which a repeated variable has one value."""
        return Scope({**self.chosen, name: Chosen((value,), several=True)}, self.own)

    def query(self, text: str) -> str:
        """Fill a PromQL expression: several values become a regular expression."""
        return self._fill(text, _promql)

    def regular(self, text: str) -> tuple[str, list[str]]:
        """Make `label="$x"` match any value where x has several; returns the expression, and the names of such x.

        As it is written it would match no series: Grafana's reader would choose one value, a page's cannot.
        """
        found: list[str] = []

        def one(match: re.Match[str]) -> str:
            name = match[3]
            chosen = self.chosen.get(name)
            if chosen is None or not (chosen.instead or (chosen.several and len(chosen.values) > 1)):
                return match[0]
            found.append(name)
            return ("!~" if match[1] == "!=" else "=~") + match[2]

        return _EQUAL.sub(one, text), list(dict.fromkeys(found))

    def words(self, text: str) -> str:
        """Fill a title or a legend."""
        return self._fill(text, lambda chosen: chosen.words)

    def _fill(self, text: str, plain: Callable[[Chosen], str]) -> str:
        def one(match: re.Match[str]) -> str:
            name = match[1] or match[2] or match[4]
            form = match[3] or match[5] or ""
            if name in self.own:
                return self.own[name]
            chosen = self.chosen.get(name)
            if chosen is None:
                return match[0]
            # The values of a repeat replace an allValue; a format other than the default does not see it.
            return FORMATS[form](chosen) if form in FORMATS else plain(chosen)

        return _PLACES.sub(one, text)


def _promql(chosen: Chosen) -> str:
    if chosen.instead:
        return chosen.instead
    if not chosen.several:
        return _quoted(chosen.values[0]) if chosen.values else ""
    return _regex(chosen)


def _regex(chosen: Chosen) -> str:
    """Any of the values as a regular expression in a PromQL text: its backslashes are doubled."""
    if chosen.instead:
        return chosen.instead
    parts = [
        _SPECIAL.sub(lambda match: f"\\\\{match[0]}" if match[0] != "\\" else "\\\\\\\\", one) for one in chosen.values
    ]
    parts = [part.replace('"', '\\"').replace("\n", "\\n") for part in parts]
    return parts[0] if len(parts) == 1 else f"({'|'.join(parts)})" if parts else ""


def _quoted(value: str) -> str:
    """Write a value inside a PromQL text."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _glob(chosen: Chosen) -> str:
    return chosen.values[0] if len(chosen.values) == 1 else "{" + ",".join(chosen.values) + "}"


FORMATS: Mapping[str, Callable[[Chosen], str]] = {
    "regex": _regex,
    "pipe": lambda chosen: chosen.instead or "|".join(map(_quoted, chosen.values)),
    "csv": lambda chosen: ",".join(chosen.values),
    "raw": lambda chosen: chosen.instead or ",".join(chosen.values),
    "glob": _glob,
    "json": lambda chosen: json.dumps(list(chosen.values)),
    "doublequote": lambda chosen: ",".join(f'"{_quoted(one)}"' for one in chosen.values),
    "singlequote": lambda chosen: ",".join("'" + one.replace("'", "\\'") + "'" for one in chosen.values),
    "percentencode": lambda chosen: quote(_glob(chosen), safe=""),
    "queryparam": lambda chosen: "&".join(f"var={quote(one, safe='')}" for one in chosen.values),
    "text": lambda chosen: chosen.words,
}
"""How the values of a variable are written, by the word after the colon."""
