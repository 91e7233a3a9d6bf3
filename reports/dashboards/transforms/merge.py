"""Several frames made one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reports.dashboards.frames import Column, Frame
from reports.dashboards.reading import text
from reports.dashboards.transforms.kinds import Frames, Options


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
    rows: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for frame in frames:
        places: dict[tuple[Any, ...], int] = {}
        for index in range(len(frame)):
            row = {c.title: c.values[index] for c in frame.columns}
            alike = rows.setdefault(tuple(row.get(title) for title in shared), [])
            key = tuple(row.get(title) for title in shared)
            places[key] = place = places.get(key, -1) + 1  # the nth of its frame joins the nth of others
            if place < len(alike) and all(alike[place].get(title, row[title]) == row[title] for title in row):
                alike[place].update(row)
            else:
                alike.append(row)
    return [_of_rows([row for alike in rows.values() for row in alike], titles, frames)]


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


def join(frames: Frames, options: Options) -> Frames:
    """Join frames by one column (`byField`), the time where none is named: outer, or inner (`mode`)."""
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


def _concatenate(frames: Frames, _options: Options) -> Frames:
    """All columns side by side, the shorter ones with nothing at their ends."""
    if len(frames) < 2:
        return frames
    rows = max(map(len, frames))
    spots = [[*range(len(frame)), *[None] * (rows - len(frame))] for frame in frames]
    columns = [_spread(c, places) for frame, places in zip(frames, spots, strict=True) for c in frame.columns]
    return [Frame(frames[0].ref, tuple(columns))]


def _to_rows(frames: Frames, _options: Options) -> Frames:
    """Series below each other: time, metric, value, the newest first."""
    series = [(frame.time, c) for frame in frames if frame.time is not None for c in frame.numbers]
    if not series:
        return frames
    times = np.concatenate([np.asarray(time.values, dtype=np.float64) for time, _ in series])
    values = np.concatenate([np.asarray(c.values, dtype=np.float64) for _, c in series])
    names = [c.title for _, c in series for _ in c.values]
    found = Frame(
        frames[0].ref,
        (Column("Time", "time", times), Column("Metric", "string", names), Column("Value", "number", values)),
    )
    return [found.take([int(place) for place in np.argsort(-times, kind="stable")])]


TRANSFORMATIONS = {
    "merge": _merge,
    "joinByField": join,
    "seriesToColumns": join,
    "concatenate": _concatenate,
    "seriesToRows": _to_rows,
}
