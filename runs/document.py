"""A YAML document with the line of every value, and with the overrides of `--set` applied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runs import paths

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a recipe: where, what, and the mend."""

    where: str
    message: str
    mend: str
    line: int | None = None

    def render(self, source: str) -> str:
        """Return the problem as a person reads it, in one or two lines."""
        place = f"{source}:{self.line}" if self.line else source
        name = f" {self.where}:" if self.where else ""
        return f"{place}:{name} {self.message}" + (f"\n    mend: {self.mend}" if self.mend else "")


class RecipeError(Exception):
    """A recipe cannot be used; `problems` holds all that is wrong with it, in the order of the lines."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = sorted(problems, key=lambda problem: problem.line or 0)
        count = len(self.problems)
        head = f"{count} error{'s' if count != 1 else ''} in {source}"
        super().__init__("\n".join([head, *(f"  {problem.render(source)}" for problem in self.problems)]))


@dataclass(frozen=True)
class Document:
    """The values of a recipe file and the line (from 1) where each stands."""

    source: str
    text: str
    values: dict[str, Any]
    lines: Mapping[Location, int]
    problems: tuple[Problem, ...] = ()
    overridden: Mapping[Location, str] = field(default_factory=dict)

    def line(self, location: Location) -> int | None:
        """Return the line of the value at `location`, or of the nearest thing around it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location)


def read(path: Path, sets: Iterable[str] = ()) -> Document:
    """Read a recipe file and apply `key=value` overrides. Raises RecipeError where nothing can be read at all."""
    source = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecipeError(source, [Problem("", f"cannot be read: {reason}", "check the path of the recipe")]) from error
    except UnicodeDecodeError as error:
        mend = "save the file as UTF-8; is it a recipe at all?"
        raise RecipeError(source, [Problem("", "is not UTF-8 text", mend)]) from error
    return parse(text, source, sets)


def parse(text: str, source: str, sets: Iterable[str] = ()) -> Document:
    """Parse a recipe's text and apply `key=value` overrides. Raises RecipeError on broken YAML."""
    lines: dict[Location, int] = {}
    problems: list[Problem] = []
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(source, [_broken(error)]) from error
    if not isinstance(values, dict) or root is None:
        mend = "start with `name:`; `recipes/` has examples"
        raise RecipeError(source, [Problem("", "is not a mapping of keys to values", mend, 1)])
    _walk(root, (), lines, problems, frozenset())
    overridden: dict[Location, str] = {}
    for assignment in sets:
        problems.extend(_override(values, assignment, overridden))
    return Document(source, text, values, lines, tuple(problems), overridden)


def _broken(error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    mend = "mind the indentation, and quote text that holds : or #"
    return Problem("", f"is not valid YAML: {what}", mend, mark.line + 1 if mark else None)


def _walk(
    node: yaml.Node, location: Location, lines: dict[Location, int], problems: list[Problem], above: frozenset[int]
) -> None:
    if id(node) in above:  # an anchor that contains itself
        problems.append(Problem(dotted(location), "refers to itself", "write the values out", lines.get(location)))
        return
    lines.setdefault(location, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                where = dotted((*location, name))
                problems.append(Problem(where, f"stands twice (also in line {seen[name]})", "remove one of them", line))
            seen[name] = line
            lines[(*location, name)] = line
            _walk(value, (*location, name), lines, problems, above | {id(node)})
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*location, index), lines, problems, above | {id(node)})


def _override(values: dict[str, Any], assignment: str, overridden: dict[Location, str]) -> Iterable[Problem]:
    key, separator, text = assignment.partition("=")
    option = f"--set {assignment}"
    if not separator or not key:
        yield Problem(option, "is not key=value", "for example --set load.phases.0.rate=40")
        return
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        yield Problem(option, "has a value that is not valid YAML", "quote it: --set 'name=\"a: b\"'")
        return
    steps, wrong = assign(values, key, paths.given(value))
    if wrong is not None:
        yield Problem(option, *wrong)
    else:
        overridden[steps] = option


def assign(values: dict[str, Any], key: str, value: Any) -> tuple[Location, tuple[str, str] | None]:
    """Put a value at a dotted key; returns its location, and what is wrong with the mend where that cannot be done."""
    steps: list[str | int] = []
    place: Any = values
    parts = key.split(".")
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(place, list):
            if not part.isdigit() or int(part) >= len(place):
                return (), (f"{part!r} is no index of a list of {len(place)}", f"use 0 to {len(place) - 1}")
            step: str | int = int(part)
        elif isinstance(place, dict):
            step = part
            if not last:
                place.setdefault(part, {})
        else:
            return (), (f"{dotted(tuple(steps))} is a single value, not a group of keys", "shorten the key")
        steps.append(step)
        if last:
            place[step] = value
        else:
            place = place[step]
    return tuple(steps), None


def dotted(location: Location) -> str:
    """Write a location as people do: load.phases.1.rate."""
    return ".".join(str(step) for step in location)
