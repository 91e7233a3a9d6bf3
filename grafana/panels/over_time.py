"""Panels whose one axis is time: lines, heat maps, lanes of states."""

from collections.abc import Mapping, Sequence
from typing import Any

from grafanalib import core

from grafana import palette
from grafana.lib import NO_LEGEND, Step, build
from grafana.needs import ANY, Needs
from grafana.panel import Panel
from grafana.plain import by_name, overrides
from grafana.queries import Query


def timeseries(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    height: int = 8,
    needs: Needs = ANY,
    stacked: bool = False,
    most: float | None = None,
    log: bool = False,
    table: bool = False,
    steps: Sequence[Step] = (),
    colors: Mapping[str, str] | None = None,
) -> Panel:
    """Draw lines over time from 0 up, broken where there is no value.

    `most`: the top of the axis; `table`: a legend with mean and maximum; `steps`: lines from which on it is bad;
    `colors`: of series by their whole legend.
    """
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 8,
        "gradientMode": "none",
        "showPoints": "auto",
        "pointSize": 4,
        "spanNulls": False,
        "insertNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "scaleDistribution": {"type": "log", "log": 10} if log else {"type": "linear"},
        "thresholdsStyle": {"mode": "dashed" if steps else "off"},
        "axisPlacement": "auto",
        "axisLabel": "",
    }
    # A logarithmic axis has no 0, so that only the linear one begins there.
    bounds = {} if log else {"min": 0}
    defaults = {"custom": custom, "color": {"mode": "palette-classic-by-name"}, **bounds}
    if most is not None:
        defaults["max"] = most
    legend = {"displayMode": "table" if table else "list", "placement": "bottom", "showLegend": True}
    options = {
        "legend": {**legend, "calcs": ["mean", "max"] if table else []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    kind = core.TimeSeries(legendDisplayMode="list")
    return build(
        *(kind, title, description, unit, queries, width, height, needs, options, defaults),
        steps=steps,
        overrides=[*overrides(queries), *by_name(colors or {})],
    )


def heatmap(
    title: str,
    description: str,
    unit: str,
    histogram: str,
    *,
    where: str = "NODE",
    width: int = 12,
    height: int = 9,
    needs: Needs = ANY,
) -> Panel:
    """Show how the samples of a Prometheus histogram are spread over its buckets, and how that moves."""
    options = {
        "calculate": False,
        "color": {
            "mode": "scheme",
            "scheme": "Viridis",  # keeps its order for every kind of colour vision, and in print
            "scale": "exponential",
            "exponent": 0.5,
            "fill": palette.BLUE,
            "steps": 64,
            "reverse": False,
        },
        "cellGap": 0,
        "filterValues": {"le": 1e-9},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
        "cellValues": {"unit": "short", "decimals": 0},  # samples in a bucket, and not what they measure
        "legend": {"show": True},
        "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": True},
        "exemplars": {"color": palette.VERMILION},
    }
    defaults = {"custom": {"hideFrom": {"legend": False, "tooltip": False, "viz": False}}}
    query = Query("{{le}}", f"sum by (le) (increase({histogram}_bucket{{{where}}}[RATE]))")
    kind = core.Heatmap()
    return build(
        *(kind, title, description, unit, [query], width, height, needs, options, defaults), target_format="heatmap"
    )


def state_timeline(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    states: Mapping[str, tuple[str, str]],
    missing: str = "",
    width: int = 24,
    height: int = 5,
    needs: Needs = ANY,
) -> Panel:
    """Show in which state things were, a lane each. `states`: words and colours of values."""
    options = {
        "alignValue": "center",
        "showValue": "never",
        "mergeValues": True,
        "rowHeight": 0.8,
        "perPage": 20,
        "legend": NO_LEGEND,
        "tooltip": {"mode": "single", "sort": "none"},
    }
    mapping = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(states.items())
    }
    defaults: dict[str, Any] = {
        "color": {"mode": "thresholds"},
        "custom": {"lineWidth": 0, "fillOpacity": 85},
        "mappings": [{"type": "value", "options": mapping}],
    }
    if missing:
        defaults["noValue"] = missing
    kind = core.StateTimeline()
    return build(*(kind, title, description, unit, queries, width, height, needs, options, defaults))
