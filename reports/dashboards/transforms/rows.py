"""Which rows are shown, and in which order."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reports.dashboards.fields import pattern
from reports.dashboards.frames import Frame
from reports.dashboards.reading import mapping, mappings, number, text, whole
from reports.dashboards.transforms.kinds import Frames, Options


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


def _filter_by_value(frames: Frames, options: Options) -> Frames:
    """Keep the rows, or leave those out (`type`), of which any or all conditions hold (`match`)."""
    conditions = mappings(options.get("filters"))
    every, out = options.get("match") != "any", options.get("type") == "exclude"
    found = []
    for frame in frames:
        tests = [
            (c, _TESTS[name], mapping(mapping(one.get("config")).get("options")))
            for one in conditions
            if (c := frame.column(text(one.get("fieldName")))) is not None
            and (name := text(mapping(one.get("config")).get("id"))) in _TESTS
        ]
        holds = [[test(c.values[row], wanted) for c, test, wanted in tests] for row in range(len(frame))]
        fits = [all(row) if every else any(row) for row in holds]
        found.append(frame.take([row for row, fit in enumerate(fits) if fit != out]) if tests else frame)
    return found


def _value(wanted: Options, name: str = "value") -> float:
    return number(wanted.get(name), float("nan"))


def _equal(value: Any, wanted: Options) -> bool:
    return str(value) == text(wanted.get("value")) or number(value, float("nan")) == _value(wanted)


def _none(value: Any, _wanted: Options) -> bool:
    return value == "" if isinstance(value, str) else bool(np.isnan(value))


def _regex(value: Any, wanted: Options) -> bool:
    found = pattern(f"/{text(wanted.get('value'))}/")
    return found is not None and found.search(str(value)) is not None


_TESTS: Mapping[str, Callable[[Any, Options], bool]] = {
    "greater": lambda value, wanted: number(value, float("nan")) > _value(wanted),
    "greaterOrEqual": lambda value, wanted: number(value, float("nan")) >= _value(wanted),
    "lower": lambda value, wanted: number(value, float("nan")) < _value(wanted),
    "lowerOrEqual": lambda value, wanted: number(value, float("nan")) <= _value(wanted),
    "between": lambda value, wanted: _value(wanted, "from") < number(value, float("nan")) < _value(wanted, "to"),
    "equal": _equal,
    "notEqual": lambda value, wanted: not _equal(value, wanted),
    "isNull": _none,
    "isNotNull": lambda value, wanted: not _none(value, wanted),
    "regex": _regex,
}


TRANSFORMATIONS = {
    "sortBy": _sort_by,
    "limit": _limit,
    "filterByValue": _filter_by_value,
}
