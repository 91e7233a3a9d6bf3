"""Which columns are shown, in which order, under which names."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from reports.dashboards.fields import pattern
from reports.dashboards.frames import Column, Frame
from reports.dashboards.reading import mapping, mappings, number, text, texts, whole
from reports.dashboards.transforms.kinds import Frames, Options


def _organize(frames: Frames, options: Options) -> Frames:
    gone, places = mapping(options.get("excludeByName")), mapping(options.get("indexByName"))
    names = mapping(options.get("renameByName"))
    only = mapping(options.get("includeByName"))

    def one(frame: Frame) -> Frame:
        kept = [c for c in frame.columns if gone.get(c.title) is not True and gone.get(c.name) is not True]
        if only:
            kept = [c for c in kept if only.get(c.title) is True or only.get(c.name) is True]
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
    written = text(options.get("regex"))
    found, instead = pattern(written), text(options.get("renamePattern"))
    if found is None:
        return frames
    every = 0 if re.search(r"/[a-z]*g[a-z]*$", written) else 1
    return [
        replace(f, columns=tuple(replace(c, shown=found.sub(_filler(instead), c.title, every)) for c in f.columns))
        for f in frames
    ]


def _filler(instead: str) -> Callable[[re.Match[str]], str]:
    """Return what fills $1 and $&; a group that the expression has not stays as it is written."""

    def group(match: re.Match[str], written: re.Match[str]) -> str:
        number = 0 if written[1] == "&" else int(written[1])
        return (match[number] or "") if number <= (match.re.groups or 0) else written[0]

    return lambda match: re.sub(r"\$(\d|&)", lambda written: group(match, written), instead)


def _convert(frames: Frames, options: Options) -> Frames:
    """Make columns of texts numbers, and of numbers texts; other types are what they are."""
    wanted = {text(one.get("targetField")): one.get("destinationType") for one in mappings(options.get("conversions"))}

    def one(c: Column) -> Column:
        kind = wanted.get(c.title) or wanted.get(c.name)
        if kind == "number" and c.kind == "string":
            return replace(c, kind="number", values=np.array([number(v, float("nan")) for v in c.values]))
        if kind == "string" and c.kind == "number":
            return replace(c, kind="string", values=[f"{v:g}" for v in c.values])
        return c

    return [replace(frame, columns=tuple(one(c) for c in frame.columns)) for frame in frames]


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


TRANSFORMATIONS = {
    "organize": _organize,
    "filterFieldsByName": _filter_fields,
    "filterByRefId": _filter_ref,
    "renameByRegex": _rename,
    "convertFieldType": _convert,
    "labelsToFields": _labels_to_fields,
}
