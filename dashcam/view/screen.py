"""The layout: which part of the screen gets how many lines. A pure function of facts, width and height."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from dashcam.view import draw, sections
from dashcam.view.facts import Facts
from dashcam.view.sections import Section

WIDE = 112
"""Columns from which on load and services stand beside the nodes."""
_ALL = 1000
_GAP = 3


@dataclass(frozen=True)
class Part:
    """A section, the lines that it keeps while others want more, and whether it stands apart from the one above."""

    section: Section
    least: int
    apart: bool = True


_LEFT = (Part(sections.load, 5), Part(sections.services, 2))
_RIGHT = (Part(sections.machines, 2), Part(sections.gpus, 2), Part(sections.file_systems, 2))
_BELOW = (Part(sections.targets, 1), Part(sections.alerts, 1, apart=False), Part(sections.notes, 1, apart=False))


def screen(facts: Facts, width: int, height: int, *, ascii_only: bool = False) -> Text:
    """Return exactly `height` lines of at most `width` cells."""
    top = [sections.title(facts, width), sections.phases(facts, width), *sections.trouble(facts, width, 1)]
    end = sections.places(facts, width, 1) if height > 16 else []
    room = height - len(top) - len(end)
    if not facts.running:
        body = _stacked(facts, _BELOW, width, room)
    elif width >= WIDE:
        body = _beside(facts, width, room)
    else:
        body = _stacked(facts, (*_LEFT, *_RIGHT, *_BELOW), width, room)
    lines = [*top, *body[:room]]
    lines += [Text("")] * (height - len(lines) - len(end))
    lines = [*lines, *end][:height]
    for line in lines:
        line.truncate(width)
        if ascii_only:
            line.plain = line.plain.translate(draw.ASCII)
    return Text("\n", no_wrap=True, end="").join(lines)


def _beside(facts: Facts, width: int, room: int) -> list[Text]:
    half = (width - _GAP) // 2
    below = _stacked(facts, _BELOW, width, max(3, room // 3))
    room -= len(below)
    left = _stacked(facts, _LEFT, half, room)
    right = _stacked(facts, _RIGHT, width - _GAP - half, room)
    lines = []
    for index in range(max(len(left), len(right))):
        line = left[index].copy() if index < len(left) else Text("", no_wrap=True)
        if index < len(right):
            line.truncate(half)
            line.pad_right(half + _GAP - line.cell_len)
            line.append_text(right[index])
        lines.append(line)
    return [*lines, *below]


def _stacked(facts: Facts, parts: Sequence[Part], width: int, room: int) -> list[Text]:
    """Put sections one below the other; where all have what they want, blank lines stand between them."""
    wanted = [len(part.section(facts, width, _ALL)) for part in parts]
    given = _shares(wanted, [part.least for part in parts], room)
    blanks = room - sum(given)
    lines: list[Text] = []
    for part, rows in zip(parts, given, strict=True):
        if rows and part.apart and blanks > 0:
            lines.append(Text(""))
            blanks -= 1
        lines += part.section(facts, width, rows) if rows else []
    return lines[:room]


def _shares(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Hand out lines: first what each keeps, then one to each in turn."""
    given = [min(pair) for pair in zip(wanted, least, strict=True)]
    while sum(given) < room and given != list(wanted):
        for index, want in enumerate(wanted):
            given[index] += given[index] < want and sum(given) < room
    return given
