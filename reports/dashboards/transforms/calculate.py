"""A column made of others."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from reports.dashboards import reducers
from reports.dashboards.frames import Column, Frame
from reports.dashboards.reading import mapping, number, text, texts
from reports.dashboards.transforms.kinds import Frames, Options, UnappliedError
from reports.dashboards.transforms.merge import join
from reports.statistics import Floats


def _calculate(frames: Frames, options: Options) -> Frames:
    """Add a column to each frame; series are joined by their time first, unless `timeSeries` is false.

    Raises UnappliedError for modes other than `binary` and `reduceRow`.
    """
    mode = text(options.get("mode")) or "reduceRow"
    if mode not in _MODES:
        raise UnappliedError(f"mode {mode}")
    if options.get("timeSeries") is not False and len(frames) > 1:
        frames = join(frames, {})
    only = options.get("replaceFields") is True
    found = []
    for frame in frames:
        made = _MODES[mode](frame, options)
        if made is None:
            raise UnappliedError("a field that it names is not there")
        kept = tuple(c for c in frame.columns if c.kind != "number") if only else frame.columns
        shown = text(options.get("alias")) or made[0]
        found.append(replace(frame, columns=(*kept, Column(shown, "number", made[1]))))
    return found


def _row(frame: Frame, options: Options) -> tuple[str, Floats] | None:
    wanted = mapping(options.get("reduce"))
    names, calc = texts(wanted.get("include")), text(wanted.get("reducer")) or "sum"
    columns = [c for c in frame.numbers if not names or c.title in names or c.name in names]
    if not columns:
        return None
    table = np.array([np.asarray(c.values, dtype=np.float64) for c in columns])
    values = [reducers.reduce(calc, table[:, row]) for row in range(len(frame))]
    return reducers.title(calc), np.array([np.nan if value is None else value for value in values])


def _binary(frame: Frame, options: Options) -> tuple[str, Floats] | None:
    wanted = mapping(options.get("binary"))
    sides = [_side(frame, wanted.get(key)) for key in ("left", "right")]
    sign = text(wanted.get("operator")) or "+"
    operate = _SIGNS.get(sign)
    if operate is None or sides[0] is None or sides[1] is None:
        return None
    (left, a), (right, b) = sides[0], sides[1]
    with np.errstate(all="ignore"):
        values = np.asarray(operate(a, b), dtype=np.float64)
    return f"{left} {sign} {right}", np.where(np.isfinite(values), values, np.nan)


def _side(frame: Frame, side: object) -> tuple[str, Floats] | None:
    """Return a name and values: of a field, or of a number."""
    inner = mapping(side)
    name = text(mapping(inner.get("matcher")).get("options")) or text(inner.get("fixed")) or text(side)
    column = frame.column(name)
    if column is not None and column.kind == "number":
        return column.title, np.asarray(column.values, dtype=np.float64)
    value = number(name, float("nan"))
    return None if np.isnan(value) else (name, np.full(len(frame), value))


_MODES: Mapping[str, Callable[[Frame, Options], tuple[str, Floats] | None]] = {"reduceRow": _row, "binary": _binary}
_SIGNS: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod, "**": np.power,
}  # fmt: skip


TRANSFORMATIONS = {
    "calculateField": _calculate,
}
