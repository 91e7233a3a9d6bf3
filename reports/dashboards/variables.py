"""Template variables: what each may be in this recording, and which of it a page without a choice shows.

A page cannot be asked for another value, so it shows what was chosen when the dashboard was saved where the recording
has that, else all that there is where the variable takes several, else the first.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reports.dashboards import regex
from reports.dashboards.ask import Asker, AskError
from reports.dashboards.interpolate import Chosen, Scope
from reports.dashboards.model import Variable
from reports.dashboards.sources import Sources
from reports.dashboards.steps import duration, step, words

ALL = "$__all"
_LABEL_VALUES = re.compile(r"label_values\(\s*(?:(?P<selector>.+),)?\s*(?P<label>[a-zA-Z_$][\w$]*)\s*\)", re.DOTALL)
_NUMBERED = re.compile(r"\d+")


@dataclass(frozen=True)
class Told:
    """A variable as a reader is told of it."""

    name: str
    label: str
    chosen: Chosen
    trouble: str = ""
    hidden: bool = False


def resolve(
    variables: Sequence[Variable], asker: Asker, own: Mapping[str, str], known: Sources | None = None
) -> list[Told]:
    """Give each variable its values; later ones may use earlier ones, and earlier ones later ones."""
    return list(_Resolver(variables, asker, own, known or Sources()).all())


class _Resolver:
    def __init__(self, variables: Sequence[Variable], asker: Asker, own: Mapping[str, str], known: Sources) -> None:
        self._declared = {variable.name: variable for variable in variables}
        self._asker, self._own, self._known = asker, own, known
        self._found: dict[str, Told] = {}
        self._open: set[str] = set()

    def all(self) -> Iterator[Told]:
        for name in self._declared:
            yield self._one(name)

    def _one(self, name: str) -> Told:
        if name not in self._found:
            self._open.add(name)
            variable = self._declared[name]
            trouble = ""
            try:
                possible = _sorted(self._possible(variable), variable.sort)
            except AskError as error:
                possible, trouble = [], str(error)
            chosen = _choose(variable, possible)
            self._found[name] = Told(name, variable.label or name, chosen, trouble, variable.hidden)
            self._open.discard(name)
        return self._found[name]

    def _possible(self, variable: Variable) -> list[str]:
        reader = _KINDS.get(variable.kind)
        if reader is None:
            raise AskError(f"a variable of kind {variable.kind or 'unknown'} is not read")
        asks = {"type": variable.query} if variable.kind == "datasource" else variable.source
        if variable.kind in {"query", "datasource"} and (strange := self._known.foreign(asks)):
            raise AskError(f"a recording has not {strange}")
        named = {name for name in self._declared if name not in self._open and names_variable(variable.query, name)}
        scope = Scope({name: self._one(name).chosen for name in named}, self._own)
        found = reader(variable, scope, self._asker)
        return list(dict.fromkeys(_filtered(found, variable.regex) if variable.kind == "query" else found))


def _query(variable: Variable, scope: Scope, asker: Asker) -> list[str]:
    text = scope.query(scope.regular(variable.query)[0]).strip()
    if match := _LABEL_VALUES.fullmatch(text):
        return asker.label_values(match["label"], (match["selector"] or "").strip())
    if match := re.fullmatch(r"metrics\((.*)\)", text):
        pattern = _compiled(match[1].strip())
        return [name for name in sorted(asker.known) if pattern.search(name)]
    if match := re.fullmatch(r"query_result\((.*)\)", text, re.DOTALL):
        return [
            f"{_braces(series.labels)} {series.values[-1]:g} {series.times[-1] * 1000:.0f}"
            for series in asker.instant(match[1])
        ]
    if text.startswith("label_names"):
        raise AskError("label_names() is not read")
    return sorted(_braces(series.labels) for series in asker.instant(text))


def _braces(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return f"{labels.get('__name__', '')}{{{inside}}}"


def _custom(variable: Variable, scope: Scope, _asker: Asker) -> list[str]:
    parts = re.split(r"(?<!\\),", scope.words(variable.query))
    values = [part.rsplit(" : ", 1)[-1].strip().replace("\\,", ",") for part in parts]
    return [value for value in values if value] or list(variable.options)


def _constant(variable: Variable, _scope: Scope, _asker: Asker) -> list[str]:
    return [variable.query] if variable.query else list(variable.current)


def _textbox(variable: Variable, _scope: Scope, _asker: Asker) -> list[str]:
    return list(variable.current) or [variable.query]


def _interval(variable: Variable, _scope: Scope, asker: Asker) -> list[str]:
    values = [part.strip().strip("\"'") for part in variable.query.split(",") if part.strip()]
    if not variable.auto:
        return values
    automatic = max(step(asker.span, variable.auto_count).seconds, duration(variable.auto_min) or 0.0)
    return [words(automatic), *values]


def _datasource(_variable: Variable, _scope: Scope, _asker: Asker) -> list[str]:
    return ["run-prometheus"]


_KINDS = {
    "query": _query,
    "custom": _custom,
    "constant": _constant,
    "textbox": _textbox,
    "interval": _interval,
    "datasource": _datasource,
}


def _choose(variable: Variable, possible: Sequence[str]) -> Chosen:
    several = variable.multi or variable.include_all
    current = [value for value in variable.current if value in possible]
    wants_all = variable.include_all and ALL in variable.current
    if variable.kind == "interval" and any(value.startswith("$__auto") for value in variable.current):
        return Chosen(tuple(possible[:1]))
    if current and not wants_all:
        return Chosen(tuple(current), several)
    if variable.include_all:
        return Chosen(tuple(possible), several=True, instead=variable.all_value, text="" if possible else "all")
    if not possible and variable.kind != "query":
        return Chosen(tuple(value for value in variable.current if value != ALL), several)
    return Chosen(tuple(possible if variable.multi else possible[:1]), several)


def _filtered(values: Sequence[str], written: str) -> list[str]:
    """Keep what a variable's regex finds: its group `value`, or its first group, or all."""
    if not written:
        return list(values)
    pattern = _compiled(written)
    found = []
    for value in values:
        if match := pattern.search(value):
            groups = match.groupdict()
            found.append(groups.get("value") or next((g for g in match.groups() if g is not None), value))
    return found


def _compiled(written: str) -> re.Pattern[str]:
    """Read a regular expression as JavaScript writes it: /.../i. Raises AskError."""
    try:
        return regex.compiled(written, whole=False)
    except re.error as error:
        raise AskError(f"the regular expression {written} cannot be read: {error}") from error


def _sorted(values: list[str], how: int) -> list[str]:
    """Sort as Grafana numbers it: 1, 2 by letters, 3, 4 by number, 5, 6 without case; the even ones descending."""
    if how in {1, 2}:
        return sorted(values, reverse=how == 2)
    if how in {3, 4}:
        return sorted(values, key=_number, reverse=how == 4)
    if how in {5, 6, 7, 8}:
        return sorted(values, key=str.lower, reverse=how in {6, 8})
    return values


def _number(value: str) -> float:
    match = _NUMBERED.search(value)
    return float(match[0]) if match else -1.0


def names_variable(text: str, name: str) -> bool:
    """Tell whether a text uses a template variable."""
    return re.search(rf"\$\{{?{re.escape(name)}\b|\[\[{re.escape(name)}\b", text) is not None
