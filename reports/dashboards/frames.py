"""Answers as tables, the way Grafana holds them: a frame of columns, which transformations change and panels draw."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from prometheus.client import Series
from reports.dashboards.interpolate import Scope
from reports.dashboards.model import Target
from reports.statistics import Floats

Kind = Literal["time", "number", "string"]


@dataclass(frozen=True)
class Column:
    """A column of a frame. Numbers and times (UTC seconds) are arrays, NaN where there is none; texts a list.

    `name` is Grafana's own name of the field, `shown` what a legend calls it.
    """

    name: str
    kind: Kind
    values: Sequence[Any] | Floats
    labels: Mapping[str, str] = field(default_factory=dict)
    shown: str = ""

    @property
    def title(self) -> str:
        """What a reader sees and what matchers by name match."""
        return self.shown or self.name

    def take(self, order: Sequence[int]) -> "Column":
        """Return some of its values, in this order."""
        if isinstance(self.values, np.ndarray):
            return replace(self, values=self.values[list(order)])
        return replace(self, values=[self.values[index] for index in order])


@dataclass(frozen=True)
class Frame:
    """Columns of equal length; `ref` is the query that they came of."""

    ref: str
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.columns[0].values) if self.columns else 0

    def column(self, title: str) -> Column | None:
        """Return a column by what a reader calls it, or by its name."""
        return next((c for c in self.columns if title in {c.title, c.name}), None)

    @property
    def time(self) -> Column | None:
        """Its first column of times."""
        return next((c for c in self.columns if c.kind == "time"), None)

    @property
    def numbers(self) -> tuple[Column, ...]:
        """Its columns of numbers."""
        return tuple(c for c in self.columns if c.kind == "number")

    def take(self, order: Sequence[int]) -> "Frame":
        """Return some of its rows, in this order."""
        return replace(self, columns=tuple(column.take(order) for column in self.columns))


def column(name: str, values: Sequence[Any], shown: str = "") -> Column:
    """Make a column whose kind is that of its values; None in numbers is NaN."""
    if all(value is None or isinstance(value, int | float) for value in values) and any(v is not None for v in values):
        numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        return Column(name, "number", numbers, shown=shown)
    return Column(name, "string", ["" if value is None else str(value) for value in values], shown=shown)


def of(target: Target, found: Sequence[Series], scope: Scope, *, alone: bool) -> list[Frame]:
    """Make the frames of an answer; `alone` where it is the panel's only query."""
    if target.format == "table":
        return [_table(target, found, alone=alone)] if found else []
    names = _names(target, found, scope)
    return [
        Frame(
            target.ref,
            (
                Column("Time", "time", series.times),
                Column("Value", "number", _finite(series.values), dict(series.labels), name),
            ),
        )
        for series, name in zip(found, names, strict=True)
    ]


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _table(target: Target, found: Sequence[Series], *, alone: bool) -> Frame:
    """One row a sample: its time, its labels, its value, as Grafana's format `table`."""
    labels = sorted({label for series in found for label in series.labels})
    counts = [len(series.times) for series in found]
    columns = [Column("Time", "time", np.concatenate([series.times for series in found]))]
    for label in labels:
        values = [series.labels.get(label, "") for series, many in zip(found, counts, strict=True) for _ in range(many)]
        columns.append(Column(label, "string", values))
    numbers = _finite(np.concatenate([series.values for series in found]))
    columns.append(Column("Value" if alone else f"Value #{target.ref}", "number", numbers))
    return Frame(target.ref, tuple(columns))


def _names(target: Target, found: Sequence[Series], scope: Scope) -> list[str]:
    if target.legend and target.legend != "__auto":
        names = [scope.words(legend(target.legend, series.labels)) for series in found]
        return [name or _full(series.labels) or target.expr for name, series in zip(names, found, strict=True)]
    if target.legend == "__auto":
        varying = [
            label
            for label in sorted({label for series in found for label in series.labels})
            if len({series.labels.get(label) for series in found}) > 1
        ]
        if len(varying) == 1:
            return [series.labels.get(varying[0], "") for series in found]
        if varying:
            return [_full({label: series.labels.get(label, "") for label in varying}) for series in found]
    return [_full(series.labels) or target.expr for series in found]


def legend(template: str, labels: Mapping[str, str]) -> str:
    """Fill {{label}} places; a label that a series has not is nothing."""
    return re.sub(r"\{\{\s*(.+?)\s*\}\}", lambda match: labels.get(match[1], ""), template)


def _full(labels: Mapping[str, str]) -> str:
    inside = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return labels.get("__name__", "") + (f"{{{inside}}}" if inside else "")
