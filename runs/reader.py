"""From a recipe file to a Recipe, or to every error in it at once."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from runs import document, paths, places
from runs.document import Document, Location, Problem, RecipeError, dotted
from runs.placement import Misfit
from runs.recipe import Allocation, Load, Recipe, Service


@dataclass(frozen=True)
class Catalog:
    """What this installation knows: the options of each service kind and generator, exporters, objectives.

    `objective` returns None for a name it knows, else the nearest one it does. `roles`: of each generator that drives
    several services, the roles that they take, and whether each must be taken. `alone`: generators that can do without
    a service. `tools`: those that make their own requests, by no rate of ours. `trace` returns what is wrong with a
    trace, by its path and the column of its times; None: nothing is. `allocation` returns in what an allocation does
    not fit the site.
    """

    services: Mapping[str, type[BaseModel]]
    generators: Mapping[str, type[BaseModel]]
    exporters: Collection[str]
    objective: Callable[[str], str | None] = field(default=lambda _name: None)
    roles: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    alone: Collection[str] = ()
    tools: Collection[str] = ()
    trace: Callable[[str, str | None], str | None] = field(default=lambda _path, _column: None)
    allocation: Callable[[Allocation], Iterable[Misfit]] = field(default=lambda _asked: ())


def load(path: Path, catalog: Catalog, sets: Iterable[str] = ()) -> tuple[Recipe, Document]:
    """Read, override and check the recipe at `path`. Raises RecipeError with everything that is wrong."""
    return check(document.read(path, sets), catalog)


def check(source: Document, catalog: Catalog) -> tuple[Recipe, Document]:
    """Turn a document into a Recipe. Raises RecipeError with everything that is wrong."""
    values, problems = source.values, list(source.problems)
    values, found = _split_options(values, catalog, source)
    problems += found
    values, found = _traces(source, values, catalog)
    problems += found
    recipe = None
    try:
        recipe = Recipe.model_validate(values, context={paths.BASE: Path(source.source).parent})
    except ValidationError as error:
        problems += [_problem(detail, Recipe, (), source) for detail in error.errors() if not _echo(detail)]
    problems += _unknown_names(source, values, catalog)
    problems += _targets(source, values, catalog)
    problems += _own_requests(source, values, catalog)
    problems += places.problems(source, values, catalog.tools)
    problems += _misfits(source, values, catalog)
    if problems or recipe is None:
        raise RecipeError(source.source, problems)
    return recipe, source


def _split_options(
    values: dict[str, Any], catalog: Catalog, source: Document
) -> tuple[dict[str, Any], Iterable[Problem]]:
    """Move the keys that a kind brings under `options`, checked by the kind's own model."""
    problems: list[Problem] = []
    result = dict(values)
    services = values.get("services")
    if isinstance(services, dict):
        result["services"] = {
            name: _Part(("services", name), "kind", Service, catalog.services).split(service, source, problems)
            for name, service in services.items()
        }
    if "load" in values:
        part = _Part(("load",), "generator", Load, catalog.generators)
        result["load"] = part.split(values["load"], source, problems)
    return result, problems


def _traces(source: Document, values: dict[str, Any], catalog: Catalog) -> tuple[dict[str, Any], list[Problem]]:
    """Find each trace by the rule of `runs.paths`, and check it."""
    load = values.get("load")
    phases = load.get("phases") if isinstance(load, dict) else None
    if not isinstance(load, dict) or not isinstance(phases, list):
        return values, []
    found, problems = list(phases), []
    for index, phase in enumerate(phases):
        if isinstance(phase, dict) and isinstance(phase.get("trace"), str):
            where: Location = ("load", "phases", index, "trace")
            path, column = paths.resolve(phase["trace"], Path(source.source).parent), phase.get("column")
            found[index] = {**phase, "trace": path}
            if wrong := catalog.trace(path, column if isinstance(column, str) else None):
                problems.append(Problem(dotted(where), wrong, "", source.line(where)))
    return {**values, "load": {**load, "phases": found}}, problems


@dataclass(frozen=True)
class _Part:
    """A place of the recipe whose further keys depend on the word under `key`."""

    location: Location
    key: str
    common: type[BaseModel]
    models: Mapping[str, type[BaseModel]]

    def split(self, raw: Any, source: Document, problems: list[Problem]) -> Any:
        """Return `raw` with the kind's own keys checked and put under `options`."""
        if not isinstance(raw, dict) or not isinstance(raw.get(self.key), str):
            return raw
        known = {info.alias or name for name, info in self.common.model_fields.items()} - {"options"}
        rest = {name: value for name, value in raw.items() if name not in known}
        result = {name: value for name, value in raw.items() if name in known}
        model = self.models.get(raw[self.key])
        if model is None:
            where = (*self.location, self.key)
            message = f"unknown {self.key} {raw[self.key]!r}"
            problems.append(Problem(dotted(where), message, _nearest(raw[self.key], self.models), source.line(where)))
            return result
        for name, value in getattr(model, "common", {}).items():  # what a kind sets otherwise than all others
            result.setdefault(name, value)
        try:
            context = {paths.BASE: Path(source.source).parent}
            result["options"] = model.model_validate(rest, context=context).model_dump(mode="json")
        except ValidationError as error:
            also = sorted(known)
            problems += [_problem(detail, model, self.location, source, also) for detail in error.errors()]
        return result


def _problem(
    detail: Any, model: type[BaseModel], prefix: Location, source: Document, also: Collection[str] = ()
) -> Problem:
    location: Location = (*prefix, *detail["loc"])
    where = dotted(location)
    line = source.line(location)
    for steps, option in source.overridden.items():
        if location[: len(steps)] == steps:
            where, line = f"{option}", None
    message = detail["msg"].removeprefix("Value error, ")
    mend = ""
    if detail["type"] == "extra_forbidden":
        key = str(location[-1])
        message, mend = f"unknown key {key!r}", _nearest(key, [*_fields(model, detail["loc"][:-1]), *also])
    elif detail["type"] == "missing":
        message, mend = "is missing", _example(str(location[-1]))
    elif detail["type"] == "string_pattern_mismatch":
        message, mend = f"{detail['input']!r} is not a plain name", "use a-z, 0-9 and -, at most 40 characters"
    elif detail["type"] != "value_error":
        message = f"{message[0].lower()}{message[1:]}, got {detail['input']!r}"
        mend = _MENDS.get(detail["type"], "change the value")
    return Problem(where, message, mend, line)


_MENDS = {
    "bool_parsing": "write true or false",
    "dict_type": "write a group of keys: {key: value}",
    "float_parsing": "write a number",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "list_type": "write a list: [a, b]",
    "model_type": "write a group of keys: {key: value}",
    "string_type": "quote it, so that YAML reads text",
    "tuple_type": "write a list: [a, b]",
}


def _echo(detail: Any) -> bool:
    """Tell an error that only repeats others: a list counts as empty where all its entries are wrong."""
    return bool(detail["type"] == "too_short" and detail["input"])


def _fields(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that may stand at `location` inside `model`."""
    annotation: Any = model
    for step in location:
        annotation = _inner(annotation, step)
    target = _model(annotation)
    return [info.alias or name for name, info in target.model_fields.items()] if target else []


def _inner(annotation: Any, step: str | int) -> Any:
    if target := _model(annotation):
        for name, info in target.model_fields.items():
            if step in {name, info.alias}:
                return info.annotation
        return None
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is dict:
        return arguments[1]
    if origin in {tuple, list}:
        return arguments[0]
    return None


def _model(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) in {Union, UnionType}:
        annotation = next((part for part in get_args(annotation) if part is not type(None)), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _nearest(word: str, known: Iterable[str]) -> str:
    names = sorted(set(known))
    if close := difflib.get_close_matches(word, names, n=1, cutoff=0.6):
        return f"did you mean {close[0]!r}?"
    return f"known here: {', '.join(names)}" if names else ""


def _example(key: str) -> str:
    examples = {
        "name": "name: my-benchmark",
        "services": "services: {llm: {kind: llamacpp}}",
        "load": "load: {generator: openai, phases: [{name: steady, for: 30s, rate: 5}]}",
        "generator": "generator: openai",
        "kind": "kind: llamacpp",
        "phases": "phases: [{name: steady, for: 30s, rate: 5}]",
        "for": "for: 30s",
    }
    return f"for example `{examples[key]}`" if key in examples else "add it"


def _unknown_names(source: Document, values: dict[str, Any], catalog: Catalog) -> Iterable[Problem]:
    watch = values.get("watch")
    exporters = watch.get("exporters") if isinstance(watch, dict) else None
    for index, name in enumerate(exporters if isinstance(exporters, list) else []):
        if isinstance(name, str) and name not in catalog.exporters:
            where: Location = ("watch", "exporters", index)
            mend = _nearest(name, catalog.exporters)
            yield Problem(dotted(where), f"unknown exporter {name!r}", mend, source.line(where))
    objectives = values.get("objectives")
    for name in objectives if isinstance(objectives, dict) else {}:
        if (nearest := catalog.objective(str(name))) is not None:
            where = ("objectives", str(name))
            yield Problem(
                dotted(where), f"unknown objective {name!r}", f"did you mean {nearest!r}?", source.line(where)
            )


def _targets(source: Document, values: dict[str, Any], catalog: Catalog) -> Iterable[Problem]:
    """Check what the load is aimed at: services that are there, one for each role that the generator knows."""
    load, services = values.get("load"), values.get("services") or {}
    if not services and not (isinstance(load, dict) and load.get("generator") in catalog.alone):
        yield Problem("services", "is missing", _example("services"), source.line(("services",)))
        return
    if not isinstance(load, dict) or not isinstance(services, dict) or load.get("generator") not in catalog.generators:
        return
    target, targets = load.get("target"), load.get("targets")
    known = f"name one of {', '.join(map(str, services))}"
    if roles := catalog.roles.get(load["generator"]):
        yield from _roles(source, load, roles)
    elif targets:
        where = ("load", "targets")
        message = f"generator {load['generator']} drives one service"
        yield Problem(dotted(where), message, "use `target: SERVICE`", source.line(where))
    elif target is None and len(services) > 1:
        yield Problem("load.target", "is missing", known, source.line(("load",)))


def _own_requests(source: Document, values: dict[str, Any], catalog: Catalog) -> Iterable[Problem]:
    """Refuse what only our own engine can carry out, where a tool makes the requests."""
    load = values.get("load")
    if not isinstance(load, dict) or load.get("generator") not in catalog.tools:
        return
    for key in ("search", "scenario"):
        if load.get(key) is not None:
            where: Location = ("load", key)
            message = f"generator {load['generator']} makes its own requests, which no {key} of ours can drive"
            mend = f"leave {key} out, or use another generator"
            yield Problem(dotted(where), message, mend, source.line(where))


def _misfits(source: Document, values: dict[str, Any], catalog: Catalog) -> Iterable[Problem]:
    """Hold the allocation against the site, whatever is wrong elsewhere in the recipe."""
    try:
        asked = Allocation.model_validate(values.get("allocation", {}))
    except ValidationError:
        return
    for misfit in catalog.allocation(asked):
        steps = (int(step) if step.isdigit() else step for step in misfit.key.split("."))
        where: Location = ("allocation", *steps)
        option = source.overridden.get(where)
        yield Problem(option or dotted(where), misfit.message, misfit.mend, None if option else source.line(where))


def _roles(source: Document, load: dict[str, Any], roles: Mapping[str, bool]) -> Iterable[Problem]:
    where: Location = ("load", "targets")
    targets = load.get("targets") or {}
    mend = f"write `targets: {{{', '.join(f'{role}: SERVICE' for role, needed in roles.items() if needed)}}}`"
    if "target" in load:
        message = f"generator {load['generator']} drives several services"
        yield Problem("load.target", message, mend, source.line(("load", "target")))
    for role in targets if isinstance(targets, dict) else ():
        if role not in roles:
            place = (*where, str(role))
            yield Problem(dotted(place), f"unknown role {role!r}", _nearest(str(role), roles), source.line(place))
    if missing := [role for role, needed in roles.items() if needed and role not in targets]:
        yield Problem(dotted(where), f"has no service for {', '.join(missing)}", mend, source.line(where))
