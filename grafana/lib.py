"""grafanalib's panels and dashboards in the JSON of today's Grafana. With `grafana.panels` all that knows grafanalib.

grafanalib 0.7.1 speaks the JSON of Grafana 7 in places: its gauge, bar gauge and heatmap carry options that no Grafana
of today reads, its panels ask for at most 100 points, its dashboards say schema version 12, which a new Grafana would
migrate through thirty steps. What is stale is replaced here through `extraJson`, dead keys are dropped, and nothing is
null that is not meant to be (Grafana's own models refuse a null where an object belongs).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grafanalib import core
from grafanalib._gen import DashboardEncoder

from grafana import palette
from grafana.datasource import UID
from grafana.needs import Needs
from grafana.panel import Panel
from grafana.plain import REFS, clean
from grafana.queries import Query

SCHEMA_VERSION = 41
"""Known to Grafana 11.6 and 12; 13 takes it up by one step."""
NO_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []}
SOURCE = {"type": "prometheus", "uid": UID}

Step = tuple[float, str]
"""From this value on, this colour."""


def row(title: str, *, collapsed: bool = False) -> dict[str, Any]:
    """Head the panels below; `grafana.layout` gives its place."""
    made = plain_json(core.RowPanel(title=title))
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


def build(  # noqa: PLR0917 - its callers are the builders above, which pass all on
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
    return Panel({**plain_json(kind), "options": dict(options)}, width, height, needs)


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


def plain_json(panel: core.Panel) -> dict[str, Any]:
    """Return what grafanalib makes of a panel, without what is dead or null."""
    plain: dict[str, Any] = json.loads(json.dumps(panel.to_json_data(), cls=DashboardEncoder))
    return clean(plain)
