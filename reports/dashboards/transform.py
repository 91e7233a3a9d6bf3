"""Grafana's transformations of frames, by their ids; one that is not here is named on the panel.

After https://grafana.com/docs/grafana/latest/panels-visualizations/query-transform-data/transform-data/
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reports.dashboards import reducers
from reports.dashboards.fields import pattern
from reports.dashboards.frames import Column, Frame, column
from reports.dashboards.reading import mapping, text, texts, whole

Frames = list[Frame]
Options = Mapping[str, Any]


def apply(frames: Sequence[Frame], steps: Iterable[Mapping[str, Any]]) -> tuple[Frames, list[str]]:
    """Apply transformations in order; returns the frames, and what was not applied."""
    found, notes = list(frames), []
    for step in steps:
        name = text(step.get("id"))
        change = TRANSFORMATIONS.get(name)
        if change is None:
            notes.append(f"the transformation {name or 'without a name'} is not applied")
        else:
            found = change(found, mapping(step.get("options")))
    return found, notes


def _organize(frames: Frames, options: Options) -> Frames:
    gone, places = mapping(options.get("excludeByName")), mapping(options.get("indexByName"))
    names = mapping(options.get("renameByName"))

    def one(frame: Frame) -> Frame:
        kept = [c for c in frame.columns if gone.get(c.title) is not True and gone.get(c.name) is not True]
        far = len(places) + len(kept)
        kept.sort(key=lambda c: whole(places.get(c.title, places.get(c.name, far)), far))
        renamed = (replace(c, shown=text(names.get(c.title)) or text(names.get(c.name)) or c.shown) for c in kept)
        return replace(frame, columns=tuple(renamed))

    return [one(frame) for frame in frames]


def _filter_fields(frames: Frames, options: Options) -> Frames:
    return [replace(frame, columns=tuple(c for c in frame.columns if _kept(c, options))) for frame in frames]


def _kept(one: Column, options: Options) -> bool:
    include, exclude = mapping(options.get("include")), mapping(options.get("exclude"))
    if include and not _named(one, include):
        return False
    return not (exclude and _named(one, exclude))


def _named(one: Column, which: Options) -> bool:
    names = texts(which.get("names"))
    found = pattern(text(which.get("pattern"))) if which.get("pattern") else None
    return one.title in names or one.name in names or (found is not None and found.search(one.title) is not None)


def _filter_ref(frames: Frames, options: Options) -> Frames:
    wanted = {part for part in re.split(r"[|,]", text(options.get("include"))) if part}
    return [frame for frame in frames if frame.ref in wanted] if wanted else frames


def _rename(frames: Frames, options: Options) -> Frames:
    found, instead = pattern(text(options.get("regex"))), text(options.get("renamePattern"))
    if found is None:
        return frames
    written = re.sub(r"\$(\d)", r"\\\1", instead.replace("\\", "\\\\"))
    return [replace(f, columns=tuple(replace(c, shown=found.sub(written, c.title)) for c in f.columns)) for f in frames]


def _merge(frames: Frames, _options: Options) -> Frames:
    """One table: rows that agree in all texts and times that frames share become one."""
    if len(frames) < 2:
        return frames
    titles = list(dict.fromkeys(c.title for frame in frames for c in frame.columns))
    shared = [
        title
        for title in titles
        if sum(frame.column(title) is not None for frame in frames) > 1
        and all(c.kind != "number" for frame in frames if (c := frame.column(title)))
    ]
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for frame in frames:
        for index in range(len(frame)):
            row = {c.title: c.values[index] for c in frame.columns}
            key: tuple[Any, ...] = tuple(row.get(title) for title in shared)
            while any(rows.get(key, {}).get(title, row[title]) != row[title] for title in row):
                key = (*key, "again")
            rows.setdefault(key, {}).update(row)
    return [_of_rows(list(rows.values()), titles, frames)]


def _of_rows(rows: Sequence[Mapping[str, Any]], titles: Sequence[str], frames: Frames) -> Frame:
    known = {c.title: c for frame in reversed(frames) for c in frame.columns}
    columns = []
    for title in titles:
        values = [row.get(title) for row in rows]
        if known[title].kind == "string":
            cells: Any = ["" if value is None else value for value in values]
        else:
            cells = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        columns.append(replace(known[title], values=cells))
    return Frame(frames[0].ref, tuple(columns))


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


def _sort_by(frames: Frames, options: Options) -> Frames:
    wanted = options.get("sort")
    first = mapping(wanted[0]) if isinstance(wanted, list) and wanted else {}
    return [sorted_by(frame, text(first.get("field")), falling=first.get("desc") is True) for frame in frames]


def sorted_by(frame: Frame, title: str, *, falling: bool) -> Frame:
    """Sort the rows of a frame by a column; what has no value comes last."""
    by = frame.column(title)
    if by is None:
        return frame
    if by.kind == "string":
        return frame.take(sorted(range(len(frame)), key=lambda index: str(by.values[index]), reverse=falling))
    values = np.asarray(by.values, dtype=np.float64)
    return frame.take([int(index) for index in np.argsort(-values if falling else values, kind="stable")])


def _limit(frames: Frames, options: Options) -> Frames:
    most = whole(options.get("limitField"), 10)
    return [frame.take(range(min(most, len(frame)))) for frame in frames]


def _labels_to_fields(frames: Frames, options: Options) -> Frames:
    """Each series becomes rows: its labels in columns of their own."""
    kept, title = texts(options.get("keepLabels")), text(options.get("valueLabel"))
    return [_labelled(frame, c, kept, title) for frame in frames for c in frame.numbers]


def _labelled(frame: Frame, one: Column, kept: Sequence[str], title: str) -> Frame:
    labels = [label for label in one.labels if (not kept or label in kept) and label != title]
    columns = [frame.time] if frame.time else []
    columns += [Column(label, "string", [one.labels[label]] * len(frame)) for label in labels]
    shown = one.labels.get(title, "") if title else ""
    columns.append(replace(one, labels={}, shown=shown))
    return replace(frame, columns=tuple(columns))


def _join(frames: Frames, options: Options) -> Frames:
    """Join frames by one column, the time where none is named: outer, or inner."""
    title = text(options.get("byField"))
    keys = [frame.column(title) if title else frame.time for frame in frames]
    joined = [(frame, key) for frame, key in zip(frames, keys, strict=True) if key is not None]
    if len(joined) < 2:
        return frames
    places = [{value: index for index, value in reversed(list(enumerate(key.values)))} for _, key in joined]
    values = list(dict.fromkeys(value for place in places for value in place))
    if options.get("mode") == "inner":
        values = [value for value in values if all(value in place for place in places)]
    if joined[0][1].kind != "string":
        values.sort()
    columns = [replace(joined[0][1], values=values if joined[0][1].kind == "string" else np.array(values))]
    for (frame, key), place in zip(joined, places, strict=True):
        spots = [place.get(value) for value in values]
        columns += [_spread(c, spots) for c in frame.columns if c is not key]
    return [Frame(joined[0][0].ref, tuple(columns))]


def _spread(one: Column, places: Sequence[int | None]) -> Column:
    if one.kind == "string":
        return replace(one, values=["" if place is None else one.values[place] for place in places])
    return replace(one, values=np.array([np.nan if place is None else one.values[place] for place in places]))


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


TRANSFORMATIONS: Mapping[str, Callable[[Frames, Options], Frames]] = {
    "organize": _organize,
    "filterFieldsByName": _filter_fields,
    "filterByRefId": _filter_ref,
    "renameByRegex": _rename,
    "merge": _merge,
    "reduce": _reduce,
    "sortBy": _sort_by,
    "limit": _limit,
    "labelsToFields": _labels_to_fields,
    "joinByField": _join,
    "seriesToColumns": _join,
    "groupBy": _group_by,
}
