"""Reading dashboard JSON: of several Grafanas, of none, and of no shape at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.dashboards import parse
from reports.dashboards.draw import FAULT
from reports.dashboards.parse import DashboardError
from tests.reports.dashboards.boards import Table, dashboard, drawn, panel, target

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "type",
        "title",
        "targets",
        "gridPos",
        "fieldConfig",
        "options",
        "transformations",
        "datasource",
        "repeat",
        "panels",
    ]
)
SHAPES = st.fixed_dictionaries(
    {
        "panels": st.lists(
            st.dictionaries(KEYS, JSON | st.just("table") | st.just([{"expr": "up"}]), max_size=10) | JSON, max_size=3
        )
    },
    optional={"templating": JSON, "annotations": JSON, "title": JSON, "rows": JSON},
)


def test_rows_hold_what_follows_them_or_what_they_keep() -> None:
    """An open row has the panels below it, a collapsed one its own; what stands above all has a row without a name."""
    document = dashboard(
        panel("stat", "up", title="first", gridPos={"x": 0, "y": 0, "w": 4, "h": 4}),
        {"type": "row", "title": "open", "gridPos": {"x": 0, "y": 4, "w": 24, "h": 1}, "panels": []},
        panel("stat", "up", title="below", gridPos={"x": 0, "y": 5, "w": 4, "h": 4}),
        {
            "type": "row",
            "title": "shut",
            "collapsed": True,
            "gridPos": {"x": 0, "y": 9, "w": 24, "h": 1},
            "panels": [panel("stat", "up", title="inside")],
        },
    )
    rows = parse.parse(document).rows
    assert [(row.title, row.collapsed, [one.title for one in row.panels]) for row in rows] == [
        ("", False, ["first"]),
        ("open", False, ["below"]),
        ("shut", True, ["inside"]),
    ]


def test_collapsed_rows_hide_only_their_own() -> None:
    """A collapsed row that has no panels of its own hides none of those that stand below it."""
    at = {"x": 0, "w": 4, "h": 4}
    shut = {"type": "row", "title": "shut", "collapsed": True}
    document = dashboard(
        {**shut, "gridPos": {**at, "y": 0}, "panels": []},
        panel("stat", "up", title="below", gridPos={**at, "y": 1}),
        {**shut, "gridPos": {**at, "y": 5}, "panels": [panel("stat", "up", title="inside")]},
        panel("stat", "up", title="free", gridPos={**at, "y": 6}),
    )
    assert [(r.title, r.collapsed, [one.title for one in r.panels]) for r in parse.parse(document).rows] == [
        ("shut", False, ["below"]),
        ("shut", True, ["inside"]),
        ("", False, ["free"]),
    ]


def test_wrapped_dashboards_are_read() -> None:
    """As the API answers ({dashboard, meta}) and as Kubernetes-like resources hold it ({spec})."""
    inner = dashboard(panel("stat", "up"), title="inner")
    assert parse.parse({"dashboard": inner, "meta": {}}).title == "inner"
    assert parse.parse({"apiVersion": "dashboard.grafana.app/v1beta1", "spec": inner}).title == "inner"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"title": "x"}, "no `panels`"),
        ([], "no `panels`"),
        ("text", "no `panels`"),
    ],
)
def test_what_is_no_dashboard_is_said(document: Any, words: str) -> None:
    """Another schema or another document is an error with its reason."""
    with pytest.raises(DashboardError, match=words):
        parse.parse(document)


def test_file_names_stand_in_errors(tmp_path: Path) -> None:
    """A file that is no JSON, and one that is not there."""
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(DashboardError, match=r"broken\.json is no JSON"):
        parse.read(broken)
    with pytest.raises(DashboardError, match=r"missing\.json"):
        parse.read(tmp_path / "missing.json")


def test_rows_of_grafana_4_are_laid_out() -> None:
    """Spans of twelve become places on the grid; a full line begins a new one."""
    old = {"rows": [{"title": "R", "showTitle": True, "panels": [{"type": "graph", "span": 6}] * 3}]}
    (row,) = parse.parse(old).rows
    assert row.title == "R"
    assert [(p.place.x, p.place.w) for p in row.panels] == [(0, 12), (12, 12), (0, 12)]
    assert row.panels[2].place.y > row.panels[0].place.y


def test_graph_becomes_a_time_series() -> None:
    """Units of both axes, stacking, colours and calculations of the old `graph` are kept."""
    old = {
        "type": "graph",
        "targets": [target("a"), target("b", "B")],
        "yaxes": [{"format": "bytes", "min": "0"}, {"format": "s"}],
        "stack": True,
        "fill": 3,
        "legend": {"show": True, "values": True, "avg": True, "alignAsTable": True},
        "seriesOverrides": [{"alias": "/b/", "yaxis": 2, "color": "#ff0000"}],
        "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
    }
    found = drawn(
        dashboard(old), Table({"a": [({"__name__": "a"}, [1.0])], "b": [({"__name__": "b"}, [2.0])]}, ["a", "b"])
    )
    (row,) = found.wire["rows"]
    (one,) = row["panels"]
    assert one["kind"] == "timeseries"
    units = [one["fields"][series["f"]]["u"] for series in one["body"]["series"]]
    assert units == ["bytes", "s"]
    assert one["body"]["scales"][1]["right"]
    assert one["body"]["series"][0]["t"] == ["normal", "A"]
    assert one["body"]["legend"]["calcs"] == ["Mean"]


def test_library_panels_are_found_in_the_file_or_named() -> None:
    """An export with its library panels has them in `__elements`; without them the panel is named."""
    reference = {
        "type": "",
        "libraryPanel": {"uid": "u1", "name": "Shared"},
        "gridPos": {"x": 0, "y": 0, "w": 6, "h": 4},
    }
    alone = drawn(dashboard(reference), Table({}))
    assert alone.outcomes[0].state == "undrawable"
    assert "library panel Shared" in alone.outcomes[0].reason
    elements = {"u1": {"name": "Shared", "kind": 1, "model": panel("stat", "up", title="Up")}}
    whole = drawn(dashboard(reference, __elements=elements), Table({"up": [({}, [1.0])]}, ["up"]))
    assert whole.outcomes[0].state == "drawn"


@settings(max_examples=150, deadline=None)
@given(SHAPES)
def test_no_shape_of_json_is_a_crash(document: Any) -> None:
    """Anything that has panels is read and drawn, or its panels say why not."""
    try:
        found = drawn(document, Table({"up": [({"job": "x"}, [1.0, 2.0])]}, ["up"]))
    except DashboardError:
        return
    json.dumps(found.wire, allow_nan=False)
    assert all(one.reason for one in found.outcomes if one.state != "drawn")
    assert [one.reason for one in found.outcomes if one.reason.startswith(FAULT)] == []
