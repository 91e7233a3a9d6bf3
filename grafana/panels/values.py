"""Panels of single figures: stat, gauge, bar gauge."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from grafanalib import core

from grafana import palette
from grafana.lib import NO_LEGEND, Step, build
from grafana.needs import ANY, Needs
from grafana.panel import Panel
from grafana.queries import Query

_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def stat(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    width: int = 4,
    height: int = 4,
    needs: Needs = ANY,
    steps: Sequence[Step] = (),
    base: str = palette.BLUE,
    whole: str | None = None,
    everywhere: bool = False,
    decimals: int | None = None,
    missing: str = "none",
) -> Panel:
    """Show the last figure large, with its course below. `missing` stands where there is no value.

    `whole` (mean, max, min) is told in its place of a run that is over: of its measured phases, or `everywhere`.
    """
    options = {
        "reduceOptions": _LAST,
        "colorMode": "value",
        "graphMode": "none" if query.instant else "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "value",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    }
    defaults: dict[str, Any] = {"color": {"mode": "thresholds"}, "noValue": missing}
    if decimals is not None:
        defaults["decimals"] = decimals
    kind = core.Stat(thresholds=[])
    made = build(
        *(kind, title, description, unit, [query], width, height, needs, options, defaults), steps=steps, base=base
    )
    return replace(made, whole=whole, everywhere=everywhere)


def gauge(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    most: float = 1,
    steps: Sequence[Step] = (),
    width: int = 4,
    height: int = 6,
    needs: Needs = ANY,
) -> Panel:
    """Show how full something is, from 0 to `most`."""
    options = {
        "reduceOptions": _LAST,
        "orientation": "auto",
        "showThresholdLabels": False,
        "showThresholdMarkers": True,
        "sizing": "auto",
        "minVizWidth": 75,
        "minVizHeight": 75,
    }
    defaults = {"color": {"mode": "thresholds"}, "min": 0, "max": most}
    kind = core.GaugePanel(thresholds=[])
    return build(*(kind, title, description, unit, queries, width, height, needs, options, defaults), steps=steps)


def bar_gauge(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    most: float | None = None,
    steps: Sequence[Step] = (),
    width: int = 8,
    height: int = 8,
    needs: Needs = ANY,
    whole: str | None = None,
) -> Panel:
    """Compare things side by side, a bar each; from 0 to `most`, by default to the longest. `whole` as for `stat`."""
    options = {
        "reduceOptions": _LAST,
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "color",
        "showUnfilled": True,
        "sizing": "auto",
        "namePlacement": "auto",
        "legend": NO_LEGEND,
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 40,
    }
    defaults: dict[str, Any] = {"color": {"mode": "thresholds"}, "min": 0}
    if most is not None:
        defaults["max"] = most
    kind = core.BarGauge(thresholds=[])
    made = build(*(kind, title, description, unit, queries, width, height, needs, options, defaults), steps=steps)
    return replace(made, whole=whole)
