"""Builders of panels and dashboards over grafanalib, and the only module that knows it.

grafanalib 0.7.1 speaks the JSON of Grafana 7 in places: its gauge, bar gauge and heatmap carry options that no Grafana
of today reads, its panels ask for at most 100 points, its dashboards say schema version 12, which a new Grafana would
migrate through thirty steps. What is stale is replaced here through `extraJson`, dead keys are dropped, and nothing is
null that is not meant to be (Grafana's own models refuse a null where an object belongs).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grafanalib import core
from grafanalib._gen import DashboardEncoder

from grafana import palette
from grafana.datasource import UID
from grafana.needs import ANY, Needs
from grafana.plain import REFS, by_name, clean, overrides
from grafana.queries import Query

SCHEMA_VERSION = 41
"""Known to Grafana 11.6 and 12; 13 takes it up by one step."""
SOURCE = {"type": "prometheus", "uid": UID}
_NO_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []}

_CALCS = {"mean": "mean", "max": "highest", "min": "lowest"}

Step = tuple[float, str]
"""From this value on, this colour."""


@dataclass(frozen=True)
class Panel:
    """A panel without its place: `json` as Grafana takes it, size in units of the 24-column grid."""

    json: Mapping[str, Any]
    width: int
    height: int
    needs: Needs = ANY
    whole: str | None = None
    """The calculation by which a panel of one figure tells of a whole run, where its last value says little of it."""

    @property
    def title(self) -> str:
        """Its heading."""
        return str(self.json["title"])

    def of_all(self) -> Mapping[str, Any]:
        """Return the panel as it is to tell of the whole time that is shown; the title says by which figure."""
        if self.whole is None:
            return self.json
        options = self.json["options"]
        reduced = {**options, "reduceOptions": {**options["reduceOptions"], "calcs": [self.whole]}}
        return {**self.json, "title": f"{self.title} ({_CALCS[self.whole]})", "options": reduced}


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
    return _panel(
        *(kind, title, description, unit, queries, width, height, needs, options, defaults),
        steps=steps,
        overrides=[*overrides(queries), *by_name(colors or {})],
    )


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
    decimals: int | None = None,
    missing: str = "none",
) -> Panel:
    """Show the last figure large, with its course below. `missing` stands where there is no value.

    `whole` (mean, max, min) is told in its place of a run that is over.
    """
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
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
    made = _panel(
        *(kind, title, description, unit, [query], width, height, needs, options, defaults), steps=steps, base=base
    )
    return replace(made, whole=whole)


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
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "auto",
        "showThresholdLabels": False,
        "showThresholdMarkers": True,
        "sizing": "auto",
        "minVizWidth": 75,
        "minVizHeight": 75,
    }
    defaults = {"color": {"mode": "thresholds"}, "min": 0, "max": most}
    kind = core.GaugePanel(thresholds=[])
    return _panel(*(kind, title, description, unit, queries, width, height, needs, options, defaults), steps=steps)


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
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "color",
        "showUnfilled": True,
        "sizing": "auto",
        "namePlacement": "auto",
        "legend": _NO_LEGEND,
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 40,
    }
    defaults: dict[str, Any] = {"color": {"mode": "thresholds"}, "min": 0}
    if most is not None:
        defaults["max"] = most
    kind = core.BarGauge(thresholds=[])
    made = _panel(*(kind, title, description, unit, queries, width, height, needs, options, defaults), steps=steps)
    return replace(made, whole=whole)


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
    return _panel(
        *(kind, title, description, unit, [query], width, height, needs, options, defaults), target_format="heatmap"
    )


def table(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    labels: Sequence[str],
    columns: Sequence[tuple[str, str]] = (),
    sort: str | None = None,
    width: int = 24,
    height: int = 8,
    needs: Needs = ANY,
) -> Panel:
    """List things with the values that instant queries give for them, a query a column.

    `labels` are the columns that tell the things apart; the queries' legends head the values' columns. `columns` gives
    units to columns by name; `unit` is that of the others. `sort` is the column by which rows fall.
    """
    names = {f"Value #{ref}": query.legend for ref, query in zip(REFS, queries, strict=False)}
    values = {"Value": queries[0].legend} if len(queries) == 1 else names
    order = [*labels, *values]
    transformations: list[dict[str, Any]] = [{"id": "merge", "options": {}}] if len(queries) > 1 else []
    # A filter on names, since a label that is not asked for would be a column of noise.
    transformations.append({"id": "filterFieldsByName", "options": {"include": {"names": order}}})
    transformations.append(
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {name: place for place, name in enumerate(order)},
                "renameByName": values,
            },
        }
    )
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "frameIndex": 0,
        "sortBy": [{"displayName": sort, "desc": True}] if sort else [],
    }
    defaults = {
        "color": {"mode": "thresholds"},
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": True},
    }
    overrides = [
        {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": value}]}
        for name, value in columns
    ]
    return _panel(
        *(core.Table(), title, description, unit, queries, width, height, needs, options, defaults),
        overrides=overrides,
        transformations=transformations,
        target_format="table",
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
        "legend": _NO_LEGEND,
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
    return _panel(*(kind, title, description, unit, queries, width, height, needs, options, defaults))


def text(title: str, description: str, content: str, *, width: int = 24, height: int = 3, needs: Needs = ANY) -> Panel:
    """Say something in Markdown. It has no unit, since it shows no value."""
    extra = {"options": {"mode": "markdown", "content": content}}
    made = core.Text(title=title, description=description, dataSource=SOURCE, extraJson=extra)
    return Panel(_clean(made), width, height, needs)


def row(title: str, *, collapsed: bool = False) -> dict[str, Any]:
    """Head the panels below; `grafana.layout` gives its place."""
    made = _clean(core.RowPanel(title=title))
    return {"type": made["type"], "title": made["title"], "collapsed": collapsed, "panels": []}


def dashboard(
    *,
    uid: str,
    title: str,
    description: str,
    panels: Sequence[Mapping[str, Any]],
    variables: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    links: Sequence[Mapping[str, Any]],
    tags: Sequence[str],
    time: tuple[str, str],
    refresh: str,
) -> dict[str, Any]:
    """Return the JSON of a dashboard whose panels have their places."""
    made = core.Dashboard(
        title=title,
        description=description,
        uid=uid,
        tags=list(tags),
        time=core.Time(*time),
        refresh=refresh,
        timezone="browser",
        schemaVersion=SCHEMA_VERSION,
        graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        editable=False,  # provisioned: what is changed in the browser would be lost
    )
    plain: dict[str, Any] = json.loads(json.dumps(made.to_json_data(), cls=DashboardEncoder))
    keep = ("title", "description", "uid", "tags", "time", "refresh", "timezone", "schemaVersion", "editable")
    return {
        **{key: plain[key] for key in keep},
        "graphTooltip": plain["graphTooltip"],
        "fiscalYearStartMonth": 0,
        "timepicker": {"refresh_intervals": ["1s", "5s", "10s", "30s", "1m", "5m"]},
        "annotations": {"list": list(annotations)},
        "templating": {"list": list(variables)},
        "links": list(links),
        "panels": list(panels),
    }


def _panel(  # noqa: PLR0917 - its callers are the builders above, which pass all on
    kind: core.Panel,
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    width: int,
    height: int,
    needs: Needs,
    options: Mapping[str, Any],
    defaults: Mapping[str, Any],
    *,
    steps: Sequence[Step] = (),
    base: str = palette.GREEN,
    overrides: Iterable[Mapping[str, Any]] = (),
    transformations: Sequence[Mapping[str, Any]] = (),
    target_format: str = "time_series",
) -> Panel:
    """Fill in what all panels with queries have. The first threshold's value is null: from minus infinity on."""
    thresholds = {
        "mode": "absolute",
        "steps": [{"value": None, "color": base}, *({"value": at, "color": color} for at, color in steps)],
    }
    kind.title, kind.description, kind.dataSource = title, description, SOURCE
    kind.targets = [_target(ref, query, target_format) for ref, query in zip(REFS, queries, strict=False)]
    kind.maxDataPoints = None
    kind.extraJson = {
        "fieldConfig": {
            "defaults": {**defaults, "unit": unit, "thresholds": thresholds},
            "overrides": list(overrides),
        },
        "transformations": list(transformations),
    }
    # Of grafanalib's own options some are stale: ours stand in their place, not beside them.
    return Panel({**_clean(kind), "options": dict(options)}, width, height, needs)


def _target(ref: str, query: Query, target_format: str) -> dict[str, Any]:
    instant = query.instant or target_format == "table"
    made = core.Target(
        expr=query.expr,
        legendFormat=query.legend if target_format != "table" else "",
        refId=ref,
        datasource=SOURCE,
        format=target_format,
        instant=instant,
    )
    plain = made.to_json_data()
    keep = ("expr", "legendFormat", "refId", "datasource", "format")
    # Both ways spelt out: a query of neither kind is answered as a range by some releases and not at all by others.
    return {**{key: plain[key] for key in keep}, "instant": instant, "range": not instant, "editorMode": "code"}


def _clean(panel: core.Panel) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(panel.to_json_data(), cls=DashboardEncoder))
    return clean(plain)
