"""Histograms: how many of the values of all series lie between two bounds."""

import math
from dataclasses import replace

import numpy as np

from reports.dashboards import encode
from reports.dashboards.fields import Wire
from reports.dashboards.kinds.base import CannotError, Kind, Sheet
from reports.dashboards.kinds.values import arrangement
from reports.dashboards.reading import number, whole

_BUCKETS = 30
"""As many as Grafana aims at where the panel gives no size."""
_MOST = 200


def _draw(sheet: Sheet) -> Wire | None:
    columns = [(frame, column) for frame in sheet.frames for column in frame.numbers]
    parts = [np.asarray(column.values, dtype=np.float64) for _, column in columns]
    values = np.concatenate([*parts, np.zeros(0)])
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    options = sheet.panel.options
    size = number(options.get("bucketSize")) or _size(
        float(np.ptp(values)), whole(options.get("bucketCount"), _BUCKETS)
    )
    offset = number(options.get("bucketOffset"))
    places = np.floor((values - offset) / size)
    first, last = float(places.min()), float(places.max())
    if not last - first < _MOST:
        raise CannotError(f"its buckets of {size:g} are more than {_MOST}")
    counts = np.bincount((places - first).astype(int))
    shown = sheet.field(*columns[0])
    color = shown.color if shown.color.get("mode") == "fixed" else {"mode": "fixed", "fixedColor": "blue"}
    bounds = sheet.spec(shown)
    counted = sheet.spec(replace(shown, unit="short", decimals=None, low=None, high=None, mappings=(), color=color))
    if len(columns) > 1:
        sheet.notes.append(f"the values of {len(columns)} series together")
    found = [
        {
            "n": [encode.short(offset + (first + place) * size), encode.short(offset + (first + place + 1) * size)],
            "b": bounds,
            "v": int(count),
            "f": counted,
            "lo": 0,
            "hi": int(counts.max()),
        }
        for place, count in enumerate(counts)
    ]
    return {"items": found, **arrangement(sheet), "orientation": "horizontal", "mode": "basic"}


def _size(spread: float, count: int) -> float:
    """Return 1, 2, 2.5 or 5 times a power of ten, so that no more than `count` buckets hold the spread."""
    least = spread / max(1, count)
    if not least > 0 or not math.isfinite(least):
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= least * (1 - 1e-9))


KIND = Kind(("histogram",), "bargauge", _draw)
