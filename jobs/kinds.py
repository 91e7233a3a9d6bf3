"""What is told of the service kinds: a starter recipe, their options, and the page of the documents."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from apptainer.image import find
from grafana.choose import fitting
from grafana.needs import Facts
from jobs.catalog import catalog
from jobs.services import catalogue
from jobs.services.about import About
from jobs.services.base import ServiceKind
from runs import document, reader
from runs.recipe import Recipe, Service

_COLUMN = 34
"""Where comments begin, as in the recipes that people read."""
_WIDTH = 110


def starter(name: str) -> str:
    """Return a whole recipe for a kind, with its options as comments. Raises KeyError."""
    kind = catalogue()[name]
    about: About = kind.about
    lines = [
        f"# {about.title}.",
        f"name: {name}",
        "description: what is asked, in a line",
        'allocation: {time: "00:10:00"}      # on a cluster also nodes, partition, account, qos',
        f"watch: {{interval: 1s, exporters: [{', '.join(about.exporters)}]}}",
        "services:",
        f"  {_service(name)}:",
        f"    kind: {name}",
        *(f"    {line}" for line in about.service.splitlines()),
        *(f"    {line}" for line in _offered(kind)),
        *about.load.splitlines(),
    ]
    return "\n".join(lines) + "\n"


def recipe(name: str) -> Recipe:
    """Return the starter recipe, checked. Raises KeyError, runs.document.RecipeError where it is wrong."""
    return reader.check(document.parse(starter(name), f"{name}.yaml"), catalog())[0]


def dashboards(name: str) -> tuple[str, ...]:
    """Return the names of the dashboards that a kind and its load fill, beside those of any run and of sidecars."""
    found = recipe(name)
    of = Facts.of(found)
    return tuple(
        board.name for board in fitting(found) if board.needs.kinds & of.kinds or of.generator in board.needs.generators
    )


def options(kind: ServiceKind) -> Iterator[tuple[str, str, str]]:
    """Yield the keys that a kind brings: name, default as YAML writes it (empty: it must be given), description."""
    for name, field in kind.Options.model_fields.items():
        default = "" if field.is_required() else _yaml(field.get_default(call_default_factory=True))
        yield field.alias or name, default, field.description or ""


def image(kind: ServiceKind) -> str:
    """Return the name and the release of the image that a kind runs in; empty: it has none of its own."""
    name: str | None = getattr(kind, "image", None)
    if name is None:
        return ""
    found = find(name)
    return f"{name} (built)" if found.definition else f"{name} {found.version}"


def facts(name: str) -> dict[str, Any]:
    """Return everything that is known of a kind, for programs. Raises KeyError."""
    kind = catalogue()[name]
    about: About = kind.about
    return {
        "kind": name,
        "title": about.title,
        "image": image(kind) or None,
        "program": about.program,
        "ports": about.ports,
        "secret": about.guard,
        "metrics": about.metrics,
        "dashboards": list(dashboards(name)),
        "starts": about.starts,
        "seen": about.seen,
        "options": [
            {"key": key, "default": default or None, "description": words} for key, default, words in options(kind)
        ],
    }


def page() -> str:
    """Return the generated part of docs/services.md: a table, and each kind with its options."""
    rows = [
        f"| [`{name}`](#{name}) | {kind.about.title} | {image(kind) or 'none'} | {', '.join(dashboards(name))} "
        f"| {kind.about.starts} | {kind.about.seen} |"
        for name, kind in sorted(catalogue().items())
    ]
    head = ["| kind | what | image | dashboards | from start to ready | tried |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *rows, "", *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    for name, kind in sorted(catalogue().items()):
        about: About = kind.about
        yield from (f"## {name}", "", f"{about.title[0].upper()}{about.title[1:]}.", "")
        told = {"program": about.program, "listens": about.ports, "secret": about.guard, "metrics": about.metrics}
        yield from (f"- {word}: {text}" for word, text in told.items())
        yield from ("", "| key | default | |", "|---|---|---|")
        for key, default, words in options(kind):
            shown = "must be given" if not default else "" if default == "null" else f"`{default}`"
            yield f"| `{key}` | {shown} | {_cell(words)} |"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _service(kind: str) -> str:
    """Return a name for the service of a starter recipe."""
    return "service" if kind == "command" else "it" if kind == "files" else "main"


def _offered(kind: ServiceKind) -> Iterator[str]:
    """Yield the options that a starter recipe leaves out, as comments with their defaults."""
    given = {line.partition(":")[0].strip() for line in kind.about.service.splitlines()}
    shown = {**getattr(kind.Options, "common", {})}
    for key, default, words in options(kind):
        if key not in given:
            yield from _comment(f"# {key}: {default}", words)
    for key, field in Service.model_fields.items():
        if key in {"node", "nodes", "ready_within"}:
            default = shown.get(key, field.get_default())
            text = f"{default:g}s" if isinstance(default, float) else _yaml(default)
            yield from _comment(f"# {key}: {text}", field.description or "")


def _comment(line: str, words: str) -> Iterator[str]:
    """Yield an option as a comment, and what it says beside it, or below where it is long."""
    lines = textwrap.wrap(words, _WIDTH - _COLUMN)
    if len(line) >= _COLUMN:
        yield line
        line = "#"
    for text in lines or [""]:
        yield f"{line:<{_COLUMN}}# {text}" if text else line
        line = "#"


def _yaml(value: Any) -> str:
    """Write a default on one line, as YAML reads it."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return value if isinstance(value, str) and value else json.dumps(value)
