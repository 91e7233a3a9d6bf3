"""Grafana's dashboard JSON into the model: read leniently, since exports differ by release and by hand.

What has another type than Grafana writes is taken as not there.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reports.dashboards import legacy, schema2
from reports.dashboards.legacy import rows
from reports.dashboards.model import COLUMNS, Annotation, Dashboard, Panel, Place, Row, Target, Variable
from reports.dashboards.reading import mapping, mappings, number, text, texts, whole

EXPORT = "Export it from Grafana anew: Export, Export as JSON (or Share, Export), Download file"
"""What helps where a file is no dashboard."""


class DashboardError(Exception):
    """A file is no dashboard that can be read; the text says why."""


def read(path: Path) -> Dashboard:
    """Read a file. Raises DashboardError."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise DashboardError(f"{path.name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DashboardError(f"{path.name} is no JSON that can be read: {error}. {EXPORT}") from error
    try:
        return replace(parse(document), file=path.name)
    except DashboardError as error:
        raise DashboardError(f"{path.name}: {error}") from error


def parse(document: object) -> Dashboard:
    """Read a dashboard, also as Grafana's API wraps it. Raises DashboardError."""
    outer = mapping(document)
    inner = mapping(outer.get("dashboard")) or mapping(outer.get("spec")) or outer
    if schema2.is_one(inner):
        inner = schema2.classic(inner, text(mapping(outer.get("metadata")).get("name")))
    inner = rows.modern(inner)
    if not isinstance(inner.get("panels"), list):
        raise DashboardError(f"it has no `panels`: it is no Grafana dashboard, or an empty one. {EXPORT}")
    library = mapping(inner.get("__elements"))
    return Dashboard(
        uid=text(inner.get("uid")),
        title=text(inner.get("title")) or "untitled",
        description=text(inner.get("description")),
        rows=tuple(_rows(inner["panels"], library)),
        variables=tuple(_variable(one) for one in mappings(mapping(inner.get("templating")).get("list"))),
        annotations=tuple(_annotations(inner)),
        inputs={
            text(one.get("name")): text(one.get("pluginId"))
            for one in mappings(outer.get("__inputs") or inner.get("__inputs"))
            if one.get("type") == "datasource"
        },
    )


def _rows(panels: object, library: Mapping[str, Any]) -> Iterator[Row]:
    """Yield rows: a row panel holds those under it where it is collapsed, else they follow it."""
    title, collapsed, repeat, mine = "", False, "", list[Panel]()
    begun = False
    for one in sorted(mappings(panels), key=_order):
        if _copy(one):
            continue
        if one.get("type") != "row":
            if collapsed and mine:  # what stands below a collapsed row is not of it, and not hidden with it
                yield Row(title, tuple(mine), collapsed, repeat)
                title, repeat, mine = "", "", []
            collapsed = False
            mine.append(_panel(one, library))
            continue
        if begun or mine:
            yield Row(title, tuple(mine), collapsed, repeat)
        begun = True
        title, collapsed, repeat = text(one.get("title")), one.get("collapsed") is True, text(one.get("repeat"))
        within = (inside for inside in mappings(one.get("panels")) if not _copy(inside))
        mine = [_panel(inside, library) for inside in sorted(within, key=_order)]
    if begun or mine:
        yield Row(title, tuple(mine), collapsed, repeat)


def _copy(one: Mapping[str, Any]) -> bool:
    """Tell whether a panel is a copy that a repeat had made when the dashboard was saved: they are made anew."""
    return bool(one.get("repeatPanelId") or one.get("repeatByRow")) and not one.get("repeat")


def _order(one: Mapping[str, Any]) -> tuple[float, float]:
    place = mapping(one.get("gridPos"))
    return number(place.get("y")), number(place.get("x"))


def _panel(one: Mapping[str, Any], library: Mapping[str, Any]) -> Panel:
    found = mapping(one.get("libraryPanel"))
    name = text(found.get("name")) or text(found.get("uid"))
    if found and not one.get("targets"):
        model = mapping(mapping(library.get(text(found.get("uid")))).get("model")) or mapping(found.get("model"))
        one, name = ({**model, **one, "type": model.get("type")}, "") if model else (one, name)
    else:
        name = ""
    one, notes = legacy.panel(one)
    config, place = mapping(one.get("fieldConfig")), mapping(one.get("gridPos"))
    width = min(COLUMNS, max(1, whole(place.get("w"), 12)))
    return Panel(
        number=whole(one.get("id")),
        kind=text(one.get("type")),
        title=text(one.get("title")),
        description=text(one.get("description")),
        place=Place(
            min(COLUMNS - width, max(0, whole(place.get("x")))),
            max(0, whole(place.get("y"))),
            width,
            min(60, max(1, whole(place.get("h"), 8))),
        ),
        targets=tuple(
            _target(target, chr(65 + index % 26)) for index, target in enumerate(mappings(one.get("targets")))
        ),
        source=_source(one.get("datasource")),
        defaults=mapping(config.get("defaults")),
        overrides=tuple(mappings(config.get("overrides"))),
        options=mapping(one.get("options")),
        transformations=tuple(t for t in mappings(one.get("transformations")) if t.get("disabled") is not True),
        points=whole(one.get("maxDataPoints")) or None,
        interval=text(one.get("interval")),
        repeat="" if one.get("repeat") == "null" else text(one.get("repeat")),
        vertical=one.get("repeatDirection") == "v",
        most_a_row=min(COLUMNS, max(1, whole(one.get("maxPerRow"), 4))),
        library=name,
        time=text(one.get("timeFrom")),
        shift=text(one.get("timeShift")),
        notes=tuple(notes),
    )


_LANGUAGES = (
    "query",
    "rawSql",
    "rawQuery",
    "target",
    "measurement",
    "metrics",
    "bucketAggs",
    "url",
    "scenarioId",
    "qry",
)
"""Where queries of InfluxDB, SQL, Graphite, Elasticsearch and others stand; a Prometheus has `expr`."""


def _target(one: Mapping[str, Any], ref: str) -> Target:
    return Target(
        ref=text(one.get("refId")) or ref,
        expr=text(one.get("expr")),
        legend=text(one.get("legendFormat")),
        instant=one.get("instant") is True and one.get("range") is not True,
        format=text(one.get("format")) or "time_series",
        interval=text(one.get("interval")),
        factor=max(1, whole(one.get("intervalFactor"), 1)),
        hidden=one.get("hide") is True,
        source=_source(one.get("datasource")),
        panel=whole(one.get("panelId")) or None,
        both=one.get("instant") is True and one.get("range") is True,
        other="expr" not in one and any(one.get(key) for key in _LANGUAGES),
    )


def _source(value: object) -> Mapping[str, Any]:
    return {"name": value} if isinstance(value, str) else mapping(value)


def _variable(one: Mapping[str, Any]) -> Variable:
    query, current = one.get("query"), mapping(one.get("current"))
    inner = mapping(query)
    return Variable(
        name=text(one.get("name")),
        kind=text(one.get("type")),
        label=text(one.get("label")),
        query=text(query) or text(inner.get("query")) or text(one.get("definition")),
        regex=text(one.get("regex")),
        sort=whole(one.get("sort")),
        multi=one.get("multi") is True,
        include_all=one.get("includeAll") is True,
        all_value=text(one.get("allValue")),
        current=texts(current.get("value")),
        options=tuple(
            text(option.get("value")) for option in mappings(one.get("options")) if option.get("value") != "$__all"
        ),
        hidden=one.get("hide") == 2,
        source=_source(one.get("datasource")),
        auto=one.get("auto") is True,
        auto_count=max(1, whole(one.get("auto_count"), 30)),
        auto_min=text(one.get("auto_min")) or "10s",
    )


def _annotations(inner: Mapping[str, Any]) -> Iterator[Annotation]:
    for one in mappings(mapping(inner.get("annotations")).get("list")):
        target = mapping(one.get("target"))
        expr = text(one.get("expr")) or text(target.get("expr"))
        if expr and one.get("enable") is not False:
            yield Annotation(
                name=text(one.get("name")),
                expr=expr,
                title=text(one.get("titleFormat")) or text(target.get("legendFormat")),
                text=text(one.get("textFormat")),
                color=text(one.get("iconColor")),
                step=text(one.get("step")) or text(target.get("interval")),
                source=_source(one.get("datasource")),
            )
