"""What a kind of panel gets, and what it gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reports.dashboards import fields
from reports.dashboards.encode import Axes
from reports.dashboards.fields import Field, Subject, Wire
from reports.dashboards.frames import Column, Frame
from reports.dashboards.interpolate import Scope
from reports.dashboards.model import Panel
from reports.dashboards.steps import Step

TIME_UNITS = ("dateTime", "time:")
"""Beginnings of units whose values are moments: rounding would move them by days."""


class CannotError(Exception):
    """A panel asks for what is not drawn here; the text says what."""


@dataclass
class Sheet:
    """A panel to be drawn: its frames, and `specs`, the fields that the page is told of. `notes` may be added to."""

    panel: Panel
    frames: Sequence[Frame]
    scope: Scope
    axes: Axes
    steps: Sequence[Step] = ()
    specs: list[Wire] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def field(self, frame: Frame, column: Column) -> Field:
        """Return how a column is shown."""
        values = np.asarray(column.values, dtype=np.float64) if column.kind == "number" else None
        subject = Subject(column.title, column.name, column.kind, frame.ref, column.labels, values)
        return fields.of(self.panel.defaults, self.panel.overrides, subject, self.scope)

    def spec(self, found: Field) -> int:
        """Tell the page of a field; returns its number."""
        wire = found.wire()
        if wire not in self.specs:
            self.specs.append(wire)
        return self.specs.index(wire)

    def options(self, name: str) -> Mapping[str, Any]:
        """Return a group of the panel's options."""
        value = self.panel.options.get(name)
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Kind:
    """A way to draw. `names` are Grafana's panel types, `draws` the page's own word for it.

    `draw` returns what the page needs, None where there is no value; it may raise CannotError.
    """

    names: tuple[str, ...]
    draws: str
    draw: Callable[[Sheet], Wire | None]
    asks: bool = True
