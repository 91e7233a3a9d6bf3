"""Dashboards as people export them: rows of Grafana 4, an answer of the API, schema v2; and what breaks in hands."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prometheus import promql
from reports.dashboards import archive, draw, encode, parse, transforms
from reports.dashboards.draw import FAULT, Drawn, Outcome
from reports.dashboards.parse import DashboardError
from tests.reports.dashboards.boards import SPAN, UP, Always, Table, dashboard, drawn, panel, recipe

EXPORTS = {path.stem: path for path in (Path(__file__).parent / "exports").glob("*.json")} | {
    "kinds": Path(__file__).parent / "kinds.json"
}
ANSWERS = [({"job": "x", "le": "1", "phase": "p"}, [1.0, 2.0]), ({"job": "y", "le": "+Inf"}, [3.0])]
WORDS = st.text(st.characters(categories=["L", "Cs", "P", "Zs"]), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(WORDS, inside, max_size=3),
    max_leaves=8,
)
TRAPS = st.sampled_from(
    ["$__all", "/(/", "/(a+)+$/", "null", "$1", "\ud800", -1, 10**400, 1e300, float("nan"), [[]], [{}], {"a": []}, "1d"]
)


def names(file: Path) -> list[str]:
    """Return the metrics of a dashboard."""
    return sorted({name for one in parse.read(file).panels for t in one.targets for name in promql.metrics(t.expr)})


METRICS = {name: names(file) for name, file in EXPORTS.items()}


def export(name: str) -> Drawn:
    """Draw an export from a recording that answers everything."""
    return drawn(json.loads(EXPORTS[name].read_text()), Always(ANSWERS, METRICS[name]))


def outcome(found: Drawn, title: str) -> Outcome:
    """Return what became of a panel."""
    return next(one for one in found.outcomes if one.title == title)


def wire(found: Drawn, title: str) -> dict[str, Any]:
    """Return what the page is told of a panel."""
    return next(one for row in found.wire["rows"] for one in row["panels"] if one.get("t") == title)


def test_rows_of_old_keep_what_they_say() -> None:
    """Headings, closed rows, heights; dials, words around figures, ranges; axes, thresholds, overrides, styles."""
    found = export("rows")
    assert [(row["t"], row["closed"]) for row in found.wire["rows"]] == [
        ("", False), ("CPU", False), ("Closed", True), ("Tables", False),
    ]  # fmt: skip
    assert wire(found, "CPU Busy")["kind"] == "gauge"
    assert wire(found, "Cores")["fields"][0]["u"] == "suffix:cores"
    assert ["r", [0.5, 2.0], "UP", None] in wire(found, "Range map")["fields"][0]["m"]
    assert wire(found, "CPU stacked percent")["body"]["series"][0]["t"] == ["percent", "A"]
    assert wire(found, "CPU stacked percent")["body"]["legend"]["sort"] == "Max"
    log = wire(found, "Log, thresholds")
    assert log["body"]["scales"][0]["log"] == 10
    assert log["body"]["marks"] == "line+area"
    assert log["fields"][0]["t"] == ["absolute", [[None, "orange"], [10.0, "transparent"], [1000.0, "red"]]]
    assert wire(found, "Over series")["kind"] == "bargauge"
    assert "histogram" in outcome(found, "Histogram").reason
    assert [c["n"] for c in wire(found, "Aggregations")["body"]["columns"]] == ["Who", "Mean", "Max"]
    assert wire(found, "Words")["body"]["blocks"][0] == ["h1", "Hello"]
    assert "1d before" in outcome(found, "Far shift").reason


def test_classic_panels_say_what_is_not_theirs() -> None:
    """Other data sources by input, by variable and by language; kinds, fills and expressions that are not here."""
    found = export("classic")
    reasons = {one.title: one.reason for one in found.outcomes if one.state == "undrawable"}
    assert reasons == {
        "Loki": "it asks the data source loki, which a recording has not",
        "By variable": "it asks the data source loki, which a recording has not",
        "Influx": "it asks a data source whose queries are no PromQL, which a recording has not",
    }
    assert outcome(found, "Band").notes == ("the fill between two series (fillBelowTo) is not drawn",)
    assert outcome(found, "Both").notes == ("query A is asked over the range only, not at its end too",)
    assert outcome(found, "Bar chart").notes == ("a bar chart, drawn as bars",)
    assert not [one for one in found.outcomes if one.title == "copy"]
    shown = dict(found.wire["variables"])
    assert shown["logs"] == "a recording has not the data source loki"


def test_schema_2_is_read() -> None:
    """Tabs and rows become rows, automatic grids get places; queries, transformations and variables are the same."""
    found = export("schema2")
    assert (found.title, found.uid) == ("Version two", "abc123")
    rows = found.wire["rows"]
    assert [(row["t"], row["closed"], len(row["panels"])) for row in rows] == [
        ("First / Row A", False, 2), ("First / Row B", True, 4), ("Second", False, 1),
    ]  # fmt: skip
    assert [one["at"][:3] for one in rows[1]["panels"]] == [[0, 10, 8], [8, 10, 8], [16, 10, 8], [0, 19, 8]]
    assert rows[0]["panels"][0]["body"]["series"][0]["n"] == "job x"
    assert found.wire["variables"][0] == ["Job", "x + y"]
    assert "library panel Shared" in outcome(found, "Lib").reason


def test_own_time_of_a_panel() -> None:
    """`timeFrom` and `timeShift` within the run move the query, and the panel says so; others cannot be drawn."""
    table = Table({}, ["up"])
    ask = "rate(up[$__range])"
    found = drawn(
        dashboard(
            panel("stat", ask, timeFrom="20s"),
            panel("stat", ask, timeFrom="6h"),
            panel("stat", ask, timeShift="10s", timeFrom="10s"),
            panel("stat", ask, timeShift="1h"),
            panel("stat", ask, timeFrom="now/d"),
        ),
        table,
    )
    assert table.asked == ["rate(up[20s])", "rate(up[60s])", "rate(up[10s])"]  # each once
    assert [one.state for one in found.outcomes] == ["empty", "empty", "empty", "undrawable", "empty"]
    assert found.outcomes[0].notes == ("20s of the run only, as it asks (timeFrom)",)
    assert "not applied" in found.outcomes[4].notes[0]


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("outer", [{}, {"meta": {"isStarred": False}}])
def test_files_of_editors_and_of_the_api(tmp_path: Path, start: bytes, outer: dict[str, Any]) -> None:
    """A byte order mark, and what the API wraps around a dashboard."""
    inner = dashboard(panel("stat", "up"))
    (tmp_path / "x.json").write_bytes(start + json.dumps({**outer, "dashboard": inner} if outer else inner).encode())
    assert parse.read(tmp_path / "x.json").title == "Made"


@pytest.mark.parametrize("content", [b"", b"{", b"<!DOCTYPE html>", b"\xff\xfe\x00", b"[" * 100_000, b"[1]", b"null"])
def test_what_is_no_dashboard_tells_the_mend(tmp_path: Path, content: bytes) -> None:
    """The file, what is wrong with it, and how Grafana gives a right one."""
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DashboardError, match=r"x\.json.*Export it from Grafana"):
        parse.read(tmp_path / "x.json")


def test_a_fault_of_ours_costs_one_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails for no reason that was thought of is named in its panel's place; the others are drawn."""

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(transforms, "apply", fail)
    found = drawn(dashboard(panel("stat", "up"), panel("text", options={"content": "x"})), UP)
    assert [one.state for one in found.outcomes] == ["undrawable", "drawn"]
    assert found.outcomes[0].reason == f"{FAULT} (ZeroDivisionError: oops)"


def test_a_fault_of_ours_costs_one_dashboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report is made of what is left."""
    (tmp_path / "x.json").write_text(json.dumps(dashboard(panel("stat", "up"))))
    monkeypatch.setattr(archive, "draw", lambda *_: 1 / 0)
    found = archive.gather([tmp_path / "x.json"], UP, SPAN, recipe(), ())
    assert found.broken == (f"x.json: {FAULT} (ZeroDivisionError: division by zero)",)


def test_repeats_of_repeats_are_bounded() -> None:
    """16 rows of 16 copies of 8 panels are more than a page can hold: the rows say what they leave out."""
    many = ",".join(f"v{i}" for i in range(16))
    several = [
        {
            "type": "custom",
            "name": name,
            "query": many,
            "multi": True,
            "includeAll": True,
            "current": {"value": "$__all"},
        }
        for name in ("a", "b")
    ]
    row = {"type": "row", "title": "R", "repeat": "a", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}}
    inside = [
        panel("text", repeat="b", options={"content": "x"}, gridPos={"x": 0, "y": 1 + i, "w": 24, "h": 1})
        for i in range(8)
    ]
    found = drawn(dashboard(row, *inside, variables=several), UP)
    assert len(found.outcomes) == 1000
    assert found.wire["rows"][-1]["t"] == "R (128 panels are not drawn: a dashboard has 1000 at most)"


def test_points_of_a_dashboard_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would make the page too large is named in its place."""
    monkeypatch.setattr(draw, "MOST_POINTS", 100)
    table = Table({"x": [({}, [float(i) for i in range(60)])]}, ["x"])
    found = drawn(dashboard(*[panel("timeseries", "x")] * 3), table)
    assert [one.state for one in found.outcomes] == ["drawn", "drawn", "undrawable"]
    assert "too large" in found.outcomes[2].reason


def nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, one in inside for below in nodes(one, (*path, key)))]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(EXPORTS)), st.data())
def test_no_change_of_an_export_is_a_crash(name: str, data: st.DataObject) -> None:
    """Anything in the place of any part of any export leads to a page; a fault of ours is no answer here."""
    document = json.loads(EXPORTS[name].read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(nodes(document)[1:]))
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = data.draw(JSON | TRAPS)
    try:
        found = drawn(document, Always(ANSWERS, METRICS[name]))
    except DashboardError:
        return
    encode.packed(found.wire)
    found.title.encode()
    assert all(one.reason for one in found.outcomes if one.state != "drawn")
    assert [one.reason for one in found.outcomes if one.reason.startswith(FAULT)] == []
