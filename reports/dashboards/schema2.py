"""Grafana's dashboard schema v2 (Grafana 12 and 13), made into the classic model that all else here reads.

Elements are panels, layouts nest: tabs and rows become rows, a grid keeps its places, an automatic grid is laid out.
After apps/dashboard/kinds/v2beta1 of Grafana; v2alpha1 differs in where kinds of queries and panels are named.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.dashboards.reading import mapping, mappings, text, whole

Old = dict[str, Any]
_SORTS = (
    "disabled", "alphabeticalAsc", "alphabeticalDesc", "numericalAsc", "numericalDesc",
    "alphabeticalCaseInsensitiveAsc", "alphabeticalCaseInsensitiveDesc", "naturalAsc", "naturalDesc",
)  # fmt: skip
_VARIABLES = {"Text": "textbox"}
_ROW_HEIGHTS = {"short": 5, "standard": 9, "tall": 14}
_DEEPEST = 8
"""Layouts in layouts; Grafana's editor makes no more than three."""


def is_one(spec: Mapping[str, Any]) -> bool:
    """Tell whether a dashboard has schema v2."""
    return isinstance(spec.get("elements"), dict) and isinstance(spec.get("layout"), dict)


def classic(spec: Mapping[str, Any], uid: str) -> Old:
    """Return the dashboard in the classic model."""
    panels, y = list[Old](), 0
    for title, closed, repeat, layout in _sections(mapping(spec.get("layout")), "", 0):
        if title or repeat or panels:
            panels.append(_head(title, y, collapsed=False, repeat=repeat))
        inside = list(_placed(layout, mapping(spec.get("elements")), y + 1))
        if closed and panels:
            panels[-1] |= {"collapsed": True, "panels": inside}
        else:
            panels += inside
        y = max([y + 1, *(one["gridPos"]["y"] + one["gridPos"]["h"] for one in inside)])
    return {
        "uid": uid,
        "title": spec.get("title"),
        "description": spec.get("description"),
        "panels": panels,
        "templating": {"list": [_variable(one) for one in mappings(spec.get("variables"))]},
        "annotations": {"list": [_annotation(mapping(one.get("spec"))) for one in mappings(spec.get("annotations"))]},
    }


def _head(title: str, y: int, *, collapsed: bool, repeat: str) -> Old:
    place = {"x": 0, "y": y, "w": 24, "h": 1}
    return {"type": "row", "title": title, "gridPos": place, "collapsed": collapsed, "repeat": repeat, "panels": []}


_Section = tuple[str, bool, str, Mapping[str, Any]]


def _sections(layout: Mapping[str, Any], title: str, deep: int) -> Iterator[_Section]:
    """Yield title, whether it is closed, the variable that repeats it, and a layout of panels."""
    spec = mapping(layout.get("spec"))
    parts = mappings(spec.get("rows")) or mappings(spec.get("tabs"))
    if not parts or deep > _DEEPEST:
        yield title, False, "", layout
    for part in parts if deep <= _DEEPEST else ():
        inner = mapping(part.get("spec"))
        name = "" if inner.get("hideHeader") is True else text(inner.get("title"))
        whole_name = " / ".join(word for word in (title, name) if word)
        closed, repeat = inner.get("collapse") is True, text(mapping(inner.get("repeat")).get("value"))
        for below, shut, again, found in _sections(mapping(inner.get("layout")), whole_name, deep + 1):
            yield below, closed or shut, again or repeat, found


def _placed(layout: Mapping[str, Any], elements: Mapping[str, Any], y: int) -> Iterator[Old]:
    spec = mapping(layout.get("spec"))
    automatic = layout.get("kind") == "AutoGridLayout"
    across = min(24, max(1, whole(spec.get("maxColumnCount"), 3)))
    width, high = 24 // across, _ROW_HEIGHTS.get(text(spec.get("rowHeightMode")), 9)
    for index, item in enumerate(mappings(spec.get("items"))):
        inner = mapping(item.get("spec"))
        if item.get("kind") == "GridLayoutRow":
            yield from _placed({"spec": {"items": inner.get("elements")}}, elements, y + whole(inner.get("y")))
            continue
        name = text(mapping(inner.get("element")).get("name"))
        place = {"x": inner.get("x"), "y": y + whole(inner.get("y")), "w": inner.get("width"), "h": inner.get("height")}
        if automatic:
            place = {"x": index % across * width, "y": y + index // across * high, "w": width, "h": high}
        repeat = mapping(inner.get("repeat"))
        yield {
            **_panel(mapping(elements.get(name)), name),
            "gridPos": {**place, "h": whole(place["h"], 8)},
            "repeat": repeat.get("value"),
            "repeatDirection": repeat.get("direction"),
            "maxPerRow": repeat.get("maxPerRow"),
        }


def _panel(element: Mapping[str, Any], name: str) -> Old:
    spec = mapping(element.get("spec"))
    found: Old = {"id": spec.get("id"), "title": spec.get("title") or name, "description": spec.get("description")}
    if element.get("kind") == "LibraryPanel":
        return {**found, "libraryPanel": spec.get("libraryPanel")}
    data, look = mapping(mapping(spec.get("data")).get("spec")), mapping(spec.get("vizConfig"))
    options = mapping(data.get("queryOptions"))
    return {
        **found,
        "type": look.get("group") or look.get("kind"),
        **{key: mapping(look.get("spec")).get(key) for key in ("options", "fieldConfig")},
        "targets": [_target(mapping(one.get("spec"))) for one in mappings(data.get("queries"))],
        "transformations": [_transformation(one) for one in mappings(data.get("transformations"))],
        **{key: options.get(key) for key in ("interval", "maxDataPoints", "timeFrom", "timeShift")},
    }


def _target(one: Mapping[str, Any]) -> Old:
    query = mapping(one.get("query"))
    return {
        **mapping(query.get("spec")),
        "refId": one.get("refId"),
        "hide": one.get("hidden"),
        "datasource": _source(one, query),
    }


def _source(one: Mapping[str, Any], query: Mapping[str, Any]) -> Old:
    kind = query.get("group") if query.get("kind") == "DataQuery" else query.get("kind")
    found = mapping(query.get("datasource")) or mapping(one.get("datasource"))
    return {"type": found.get("type") or kind, "uid": found.get("uid") or found.get("name")}


def _transformation(one: Mapping[str, Any]) -> Old:
    spec = mapping(one.get("spec"))
    return {**spec, "id": spec.get("id") or one.get("group") or one.get("kind")}


def _variable(one: Mapping[str, Any]) -> Old:
    spec, word = mapping(one.get("spec")), text(one.get("kind")).removesuffix("Variable")
    query = mapping(spec.get("query"))
    inner = mapping(query.get("spec"))
    found = inner.get("query") or inner.get("__legacyStringValue") or inner.get("expr")
    sort = text(spec.get("sort"))
    return {
        **spec,
        "type": _VARIABLES.get(word, word.lower()),
        "query": spec.get("pluginId") or (found if query else spec.get("query")),
        "definition": spec.get("definition"),
        "sort": _SORTS.index(sort) if sort in _SORTS else 0,
        "hide": 2 if spec.get("hide") == "hideVariable" else 0,
        "datasource": _source(spec, query) if query else None,
        "auto_count": spec.get("autoCount") or spec.get("auto_count"),
        "auto_min": spec.get("autoMin") or spec.get("auto_min"),
    }


def _annotation(spec: Mapping[str, Any]) -> Old:
    query = mapping(spec.get("query"))
    words = {**mapping(query.get("spec")), **mapping(spec.get("legacyOptions"))}
    return {**words, **{k: spec.get(k) for k in ("name", "enable", "iconColor")}, "datasource": _source(spec, query)}
