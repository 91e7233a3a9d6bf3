"""What must hold of dashboards: what Grafana needs, what grafana/dashboard-linter asks, what is known of metrics.

Of the linter's rules (lint/rules.go) those are left out that are about fleets and logs: here the data source is fixed
by its uid, and a run is chosen in place of a job and an instance.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from grafana import known, promql
from grafana.datasource import UID
from grafana.layout import COLUMNS
from grafana.lib import SCHEMA_VERSION
from prometheus.promql import mentions

PANEL_TYPES = frozenset(
    {"timeseries", "stat", "gauge", "bargauge", "heatmap", "table", "state-timeline", "text", "row"}
)
"""Panels that Grafana 11 to 13 has of its own; none is Angular."""
_RATES = frozenset({"rate", "irate", "increase"})
_COUNTS = frozenset({"count"})
"""What asks how many series there are, and not for their values."""
_LABEL_VALUES = re.compile(r"label_values\((.+), *\w+\)")
_UNITLESS = frozenset({"text", "row"})

Json = Mapping[str, Any]


def dashboards(all_of_them: Mapping[str, Json]) -> list[str]:
    """Return what is wrong with dashboards by name, a line each; also what two of them do not agree on."""
    problems = [f"{name}: {line}" for name, board in all_of_them.items() for line in one(board)]
    for key in ("uid", "title"):
        values = [str(board.get(key)) for board in all_of_them.values()]
        problems += [f"{key} {value!r} is used twice" for value in sorted({v for v in values if values.count(v) > 1})]
    return problems


def one(board: Json) -> list[str]:
    """Return what is wrong with one dashboard."""
    problems = list(_dashboard(board))
    panels = board["panels"]
    ids = [panel["id"] for panel in panels]
    problems += [f"panel id {number} is used twice" for number in sorted({n for n in ids if ids.count(n) > 1})]
    titles = [panel["title"] for panel in panels if panel["type"] != "row"]
    problems += [f"panel title {title!r} is used twice" for title in sorted({t for t in titles if titles.count(t) > 1})]
    problems += _places(panels)
    for panel in panels:
        problems += [f"panel {panel['title']!r}: {line}" for line in _panel(panel)]
    return problems


def expressions(board: Json) -> Iterator[tuple[str, str]]:
    """Return each query of a dashboard: what asks it (the panel's title) and the expression."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for note in board["annotations"]["list"]:
        yield f"annotation {note['name']}", note["expr"]
    for variable in board["templating"]["list"]:
        if found := _LABEL_VALUES.fullmatch(variable["definition"]):
            yield f"variable {variable['name']}", found[1]


def _dashboard(board: Json) -> Iterator[str]:
    if board.get("schemaVersion", 0) < SCHEMA_VERSION:
        yield f"schemaVersion is {board.get('schemaVersion')}, less than {SCHEMA_VERSION}: Grafana would migrate it"
    if board.get("editable", True):
        yield "it is editable, and what is changed in a provisioned dashboard is lost"
    if not board.get("description"):
        yield "it has no description"
    for variable in board["templating"]["list"]:
        if not _LABEL_VALUES.fullmatch(variable["definition"]):
            yield f"variable {variable['name']} is not label_values(SELECTOR, LABEL): {variable['definition']}"
        if variable["datasource"].get("uid") != UID:
            yield f"variable {variable['name']} asks another data source than {UID}"
        if variable["refresh"] != 2:  # Grafana's number for "when the time range changes"
            yield f"variable {variable['name']} is not read again when the time range changes"
    for note in board["annotations"]["list"]:
        if note["datasource"].get("uid") != UID:
            yield f"annotation {note['name']} asks another data source than {UID}"


def _places(panels: list[Json]) -> Iterator[str]:
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > COLUMNS:
            yield f"panel {panel['title']!r} is not inside {COLUMNS} columns: {place}"
    for one_panel, other in itertools.combinations(panels, 2):
        a, b = one_panel["gridPos"], other["gridPos"]
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        if not beside and not below:
            yield f"panels {one_panel['title']!r} and {other['title']!r} overlap"


def _panel(panel: Json) -> Iterator[str]:
    kind, targets = panel["type"], panel.get("targets", [])
    refs = [target.get("refId") for target in targets]
    asks = kind not in _UNITLESS
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
    holds = {
        f"type {kind} is not one of {', '.join(sorted(PANEL_TYPES))}": kind in PANEL_TYPES,
        "it has no title": panel.get("title"),
        "it has no description": kind == "row" or panel.get("description"),
        f"its data source is not {UID}": kind == "row" or panel.get("datasource", {}).get("uid") == UID,
        "it has no unit": not asks or unit,
        "it has no query": not asks or targets,
        f"its queries' refIds are not distinct: {refs}": len(set(refs)) == len(refs) and all(refs),
    }
    yield from (words for words, true in holds.items() if not true)
    for target in targets:
        yield from _target(target)


def _target(target: Json) -> Iterator[str]:
    expr = target["expr"]
    if target.get("datasource", {}).get("uid") != UID:
        yield f"query {target['refId']} asks another data source than {UID}"
    if "run_id" not in expr:
        yield f"query {target['refId']} does not choose the run: {expr}"
    for mention in mentions(expr):
        counter = mention.metric.endswith("_total") and mention.metric not in known.GAUGES_NAMED_TOTAL
        if counter and mention.function not in _RATES | _COUNTS:
            yield f"query {target['refId']} takes the counter {mention.metric} as it is, outside rate or increase"
        if mention.function in _RATES and mention.metric in known.GAUGES_NAMED_TOTAL:
            yield f"query {target['refId']} takes the rate of the gauge {mention.metric}"
    for function in ("rate", "irate"):
        for window in promql.windows(expr, function):
            if window != "$__rate_interval":
                yield f"query {target['refId']} takes a {function} over {window} in place of $__rate_interval"
