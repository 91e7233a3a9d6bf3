"""Many values made few."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reports.dashboards import reducers
from reports.dashboards.frames import Column, Frame, column
from reports.dashboards.reading import mapping, text, texts
from reports.dashboards.transforms.kinds import Frames, Options


def _reduce(frames: Frames, options: Options) -> Frames:
    calcs = list(texts(options.get("reducers")) or ("max",))
    if options.get("mode") == "reduceFields":
        return [_reduced_fields(frame, calcs[0]) for frame in frames]
    numbers = [c for frame in frames for c in frame.numbers]
    columns = [Column("Field", "string", [c.title for c in numbers])]
    if options.get("labelsToFields") is True:
        columns += [
            Column(label, "string", [c.labels.get(label, "") for c in numbers])
            for label in sorted({label for c in numbers for label in c.labels})
        ]
    for calc in calcs:
        values = [reducers.reduce(calc, np.asarray(c.values, dtype=np.float64)) for c in numbers]
        cells = np.array([np.nan if value is None else value for value in values])
        columns.append(Column(reducers.title(calc), "number", cells))
    return [Frame(frames[0].ref, tuple(columns))] if frames else []


def _reduced_fields(frame: Frame, calc: str) -> Frame:
    def one(c: Column) -> Column:
        value = reducers.reduce(calc, np.asarray(c.values, dtype=np.float64))
        return replace(c, values=np.array([np.nan if value is None else value]))

    return replace(frame, columns=tuple(one(c) for c in frame.numbers))


def _group_by(frames: Frames, options: Options) -> Frames:
    wanted = mapping(options.get("fields"))

    def does(c: Column, what: str) -> bool:
        return text(mapping(wanted.get(c.title) or wanted.get(c.name)).get("operation")) == what

    return [
        _grouped(
            f, [c for c in f.columns if does(c, "groupby")], [c for c in f.columns if does(c, "aggregate")], wanted
        )
        for f in frames
    ]


def _grouped(frame: Frame, keys: Sequence[Column], others: Sequence[Column], wanted: Options) -> Frame:
    if not keys:
        return frame
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index in range(len(frame)):
        groups.setdefault(tuple(key.values[index] for key in keys), []).append(index)
    columns = [key.take([rows[0] for rows in groups.values()]) for key in keys]
    for one in others:
        for calc in texts(mapping(wanted.get(one.title) or wanted.get(one.name)).get("aggregations")):
            numbers = [np.asarray(one.take(rows).values) for rows in groups.values()]
            values = [
                reducers.reduce(calc, part.astype(np.float64)) if one.kind != "string" else len(part)
                for part in numbers
            ]
            columns.append(column(f"{one.title} ({calc})", values))
    return replace(frame, columns=tuple(columns))


TRANSFORMATIONS = {
    "reduce": _reduce,
    "groupBy": _group_by,
}
