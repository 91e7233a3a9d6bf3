"""From a recipe file to the runs that it asks for: one, or one for each point of its sweep and each repeat."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from runs import document, grid, reader
from runs.document import Document, Location, Problem, RecipeError
from runs.grid import Grid
from runs.reader import Catalog
from runs.recipe import Recipe

_GRID: TypeAdapter[dict[str, tuple[Any, ...]]] = TypeAdapter(Grid)


@dataclass(frozen=True)
class Variant:
    """One run: its recipe without `sweep` and `repeats`, and where in the sweep it stands. Numbers from 1."""

    recipe: Recipe
    document: Document
    values: dict[str, Any] = field(default_factory=dict)
    repeat: int = 1


def load(path: Path, catalog: Catalog, sets: Iterable[str] = ()) -> list[Variant]:
    """Read, override and check the recipe at `path`, with every point of its sweep. Raises RecipeError.

    Repeats are the slowest to change: what drifts while a sweep runs is spread over all of its points.
    """
    return check(document.read(path, sets), catalog)


def check(source: Document, catalog: Catalog) -> list[Variant]:
    """Turn a document into the runs that it asks for. Raises RecipeError with everything that is wrong."""
    asked = source.values.get("sweep")
    repeats = source.values.get("repeats", 1)
    try:
        swept = _GRID.validate_python(asked or {})
    except ValidationError:
        swept = {}
    sound = isinstance(repeats, int) and 1 <= repeats <= 100 and (not asked or swept)
    if not sound or not (swept or repeats > 1):
        recipe, _ = reader.check(source, catalog)
        return [Variant(recipe, source)]
    found: list[Variant] = []
    problems: dict[tuple[str, str, int | None], Problem] = {}
    for point in grid.points(swept):
        try:
            made = _at(source, swept, point)
            recipe, _ = reader.check(made, catalog)
        except RecipeError as error:
            problems.update({(each.where, each.message, each.line): each for each in error.problems})
        else:
            found.append(Variant(recipe, source, {key: swept[key][index] for key, index in point.items()}))
    if problems:
        raise RecipeError(source.source, problems.values())
    return [replace(variant, repeat=number) for number in range(1, repeats + 1) for variant in found]


def _at(source: Document, swept: dict[str, tuple[Any, ...]], point: dict[str, int]) -> Document:
    """Return the document at one point: values that the sweep gives have the sweep's lines. Raises RecipeError."""
    values = copy.deepcopy({key: value for key, value in source.values.items() if key not in {"sweep", "repeats"}})
    lines, overridden, problems = dict(source.lines), dict(source.overridden), list(source.problems)
    for key, index in point.items():
        where: Location = ("sweep", key, index)
        line = source.line(where)
        steps, wrong = document.assign(values, key, copy.deepcopy(swept[key][index]))
        if wrong is not None:
            problems.append(Problem(f"sweep.{key}", wrong[0], wrong[1], line))
            continue
        for old in [old for old in lines if old[: len(steps)] == steps]:
            del lines[old]
        for old in [old for old in overridden if old[: len(steps)] == steps]:
            del overridden[old]
        if line is not None:
            lines[steps] = line
    return replace(source, values=values, lines=lines, overridden=overridden, problems=tuple(problems))
