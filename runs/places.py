"""What is wrong with where a recipe puts its services and its load: all of it, each with its line and the mend."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from runs import nodes
from runs.allocation import Allocation
from runs.document import Document, Location, Problem, dotted
from runs.nodes import Layout, Selected, Selection, SelectionError

_ONE: TypeAdapter[int | str] = TypeAdapter(Selected)
_SEVERAL: TypeAdapter[tuple[int | str, ...]] = TypeAdapter(Selection)


def problems(source: Document, values: Mapping[str, Any], tools: Collection[str]) -> Iterator[Problem]:
    """Check `node` and `nodes` of services and load, and the load's targets, against the allocation.

    What is not well-formed is left to the models. `tools`: generators that drive one target only.
    """
    try:
        layout = Allocation.model_validate(values.get("allocation") or {}).layout
    except ValidationError:
        return
    services, load = values.get("services"), values.get("load")
    counts: dict[str, int | None] = {}
    for name, service in services.items() if isinstance(services, dict) else ():
        if isinstance(service, dict):
            where: Location = ("services", str(name))
            yield from _place(source, where, service, layout)
            yield from _span(source, where, service, layout)
            counts[str(name)] = _count(service, layout)
    yield from _names(source, counts)
    if isinstance(load, dict):
        yield from _place(source, ("load",), load, layout)
        yield from _targets(source, load, counts, single=load.get("generator") in tools)


def _place(source: Document, where: Location, part: dict[str, Any], layout: Layout) -> Iterator[Problem]:
    for key, adapter in (("node", _ONE), ("nodes", _SEVERAL)):
        try:
            value = adapter.validate_python(part.get(key, 0))
        except ValidationError:
            continue
        try:
            if isinstance(value, tuple):
                nodes.indices(value, layout)
            else:
                nodes.one(value, layout)
        except SelectionError as error:
            yield _problem(source, (*where, key), str(error), error.mend)


def _span(source: Document, where: Location, service: dict[str, Any], layout: Layout) -> Iterator[Problem]:
    """Check the nodes that one instance runs over, where its kind has that key."""
    options, where = service.get("options"), (*where, "span")
    span = options.get("span") if isinstance(options, dict) else None
    if not isinstance(span, int) or span < 2:
        return
    if service.get("nodes") not in (None, [], ""):
        message = "one instance over several nodes has one place, and `nodes` is an instance on each"
        yield _problem(source, where, message, "write the first of its nodes as `node`")
        return
    try:
        first = nodes.one(_ONE.validate_python(service.get("node", 0)), layout)
    except ValueError:
        return
    span_of = next((each for each in layout.components.values() if first in each), range(layout.nodes))
    if first + span > span_of.stop:
        message = f"{span} nodes from node {first} on are not there: {layout.said()}"
        yield _problem(source, where, message, "ask for more nodes in `allocation`, or for a smaller span")


def _count(service: dict[str, Any], layout: Layout) -> int | None:
    """Return how many instances a service has; 0: one, under its own name; None: that cannot be told."""
    if service.get("nodes") in (None, [], ""):
        return 0
    try:
        return len(nodes.indices(_SEVERAL.validate_python(service["nodes"]), layout))
    except ValueError:
        return None


def _names(source: Document, counts: Mapping[str, int | None]) -> Iterator[Problem]:
    for name, count in counts.items():
        for index in range(count or 0):
            if f"{name}-{index}" in counts:
                message = f"{name}-{index} is the name of an instance of {name}, too"
                yield _problem(source, ("services", f"{name}-{index}"), message, "give one of them another name")


def _targets(
    source: Document, load: dict[str, Any], counts: Mapping[str, int | None], *, single: bool
) -> Iterator[Problem]:
    aims: list[tuple[Location, Any]] = [(("load", "target"), load["target"])] if load.get("target") is not None else []
    if isinstance(load.get("targets"), dict):
        aims += [(("load", "targets", str(role)), name) for role, name in load["targets"].items()]
    if not aims and len(counts) == 1:
        aims = [(("load",), next(iter(counts)))]
    for where, name in aims:
        if not isinstance(name, str):
            continue
        count = counts.get(name, 0)
        if single and count is not None and count > 1:
            message = f"{load['generator']} drives one service, and {name} has {count} instances"
            yield _problem(source, where, message, f"name one of them: `target: {name}-0`")
        if name in counts:
            continue
        service, _, number = name.rpartition("-")
        if service not in counts or not number.isdecimal():
            yield _problem(source, where, f"{name!r} is no service", f"name one of {', '.join(counts)}")
        elif (count := counts[service]) is not None and int(number) >= count:
            has = f"{service}-0 to {service}-{count - 1}" if count else f"one instance, {service}"
            yield _problem(source, where, f"there is no {name}", f"{service} has {has}")


def _problem(source: Document, where: Location, message: str, mend: str) -> Problem:
    return Problem(dotted(where), message, mend, source.line(where))
