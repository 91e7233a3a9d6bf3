"""A dashboard as frozen values, named after Grafana's classic JSON model:

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

COLUMNS = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True)
class Place:
    """Where a panel stands: columns of 24, rows of 30 px with 8 px between."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True)
class Target:
    """A query of a panel. `source` is its data source: a type, a uid, or a name, as written.

    `both` where Grafana asks it twice, over the range and at its end; `other` where it is no PromQL.
    """

    ref: str
    expr: str
    legend: str = ""
    instant: bool = False
    format: str = "time_series"
    interval: str = ""
    factor: int = 1
    hidden: bool = False
    source: Mapping[str, Any] = field(default_factory=dict)
    panel: int | None = None
    both: bool = False
    other: bool = False


@dataclass(frozen=True)
class Panel:
    """A panel. `defaults` and `overrides` are its fieldConfig; `library` names a library panel that is not at hand.

    `time` is a range of its own (`timeFrom`), `shift` how far back it looks (`timeShift`): Grafana's words, or "".
    """

    number: int
    kind: str
    title: str
    description: str
    place: Place
    targets: tuple[Target, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    transformations: tuple[Mapping[str, Any], ...] = ()
    points: int | None = None
    interval: str = ""
    repeat: str = ""
    vertical: bool = False
    most_a_row: int = 4
    library: str = ""
    time: str = ""
    shift: str = ""
    notes: tuple[str, ...] = ()

    def at(self, **place: int) -> "Panel":
        """Return the panel elsewhere."""
        return replace(self, place=replace(self.place, **place))


@dataclass(frozen=True)
class Row:
    """Panels under a heading; the first row of a dashboard may have none ("")."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False
    repeat: str = ""


@dataclass(frozen=True)
class Variable:
    """A template variable as declared; `current` are the values that were chosen when it was saved."""

    name: str
    kind: str
    label: str = ""
    query: str = ""
    regex: str = ""
    sort: int = 0
    multi: bool = False
    include_all: bool = False
    all_value: str = ""
    current: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    hidden: bool = False
    source: Mapping[str, Any] = field(default_factory=dict)
    auto: bool = False
    auto_count: int = 30
    auto_min: str = "10s"


@dataclass(frozen=True)
class Annotation:
    """An annotation by a query."""

    name: str
    expr: str
    title: str = ""
    text: str = ""
    color: str = ""
    step: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dashboard:
    """A dashboard. `inputs` are the types of the data sources that who imports it is asked for, by their names."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    file: str = ""

    @property
    def panels(self) -> Iterator[Panel]:
        """All panels, row by row."""
        return (panel for row in self.rows for panel in row.panels)
