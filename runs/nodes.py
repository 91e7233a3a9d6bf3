"""Which nodes of an allocation something runs on, as a recipe says it.

A selection is an index (`0` is the head), `last`, a range (`2-3`, `1-last`), `every`, a component of the allocation by
its name (`gpu`) or a part of one (`gpu:0`, `cpu:1-last`); or several of these, as a list or with commas between.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator

RESERVED = frozenset({"every", "last"})
"""Words that are no name of a component."""

_PART = re.compile(r"(?:(?P<component>[a-z][a-z0-9-]*):)?(?P<begin>\d+|last|every)(?:-(?P<end>\d+|last))?")


@dataclass(frozen=True)
class Layout:
    """How many nodes there are, and which of them are those of each component."""

    nodes: int
    components: Mapping[str, range] = field(default_factory=dict)

    def said(self) -> str:
        """Say which nodes there are."""
        parts = [f"{name} has 0 to {len(span) - 1}" for name, span in self.components.items()]
        return f"the allocation has nodes 0 to {self.nodes - 1}" + (f" ({', '.join(parts)})" if parts else "")


def _words(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


def _word(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError(f"{value!r} is no node: write an index, `last`, a range as 1-3, `every`")
    return value


Selected = Annotated[int | str, BeforeValidator(_word, json_schema_input_type=int | str)]
"""One part of a selection."""

Selection = Annotated[
    tuple[Selected, ...],
    BeforeValidator(_words, json_schema_input_type=Selected | tuple[Selected, ...]),
]


class SelectionError(ValueError):
    """A selection names what is not there; the text says what, `mend` what to write."""

    def __init__(self, message: str, mend: str) -> None:
        self.mend = mend
        super().__init__(message)


def indices(selection: Iterable[int | str], layout: Layout) -> tuple[int, ...]:
    """Return the nodes of a selection, in its order. Raises SelectionError."""
    found = [index for part in selection for index in _indices(str(part), layout)]
    if twice := sorted({index for index in found if found.count(index) > 1}):
        raise SelectionError(f"node {twice[0]} is named twice", "name each once")
    return tuple(found)


def one(selected: int | str, layout: Layout) -> int:
    """Return the node of a selection that must be a single one. Raises SelectionError."""
    found = indices(_words(selected), layout)
    if len(found) != 1:
        mend = f"write `nodes: {selected}` for all of them, or name one, as `node: {found[0]}`"
        raise SelectionError(f"{selected!r} is {len(found)} nodes, where `node` is one", mend)
    return found[0]


def _indices(text: str, layout: Layout) -> Sequence[int]:
    if text in layout.components:
        return layout.components[text]
    match = _PART.fullmatch(text)
    if match is None or (match["begin"] == "every" and match["end"]):
        known = f", or a component: {', '.join(layout.components)}" if layout.components else ""
        mend = f"write an index, `last`, a range as 1-3, `every`{known}"
        raise SelectionError(f"{text!r} is no node", mend)
    span = range(layout.nodes)
    if match["component"]:
        if match["component"] not in layout.components:
            known = (
                f"name one of {', '.join(layout.components)}" if layout.components else "it has none: write an index"
            )
            raise SelectionError(f"{match['component']!r} is no component of the allocation", known)
        span = layout.components[match["component"]]
    if match["begin"] == "every":
        return span
    begin = _index(match["begin"], span)
    end = _index(match["end"], span) if match["end"] else begin
    if max(begin, end) >= len(span):
        raise SelectionError(
            f"{text!r} is not there: {layout.said()}", "ask for more nodes in `allocation`, or name another"
        )
    if end < begin:
        raise SelectionError(f"{text!r} ends before it begins", f"write {match['end']}-{match['begin']}")
    return span[begin : end + 1]


def _index(word: str, span: range) -> int:
    return len(span) - 1 if word == "last" else int(word)
