"""Panels over grafanalib: what each builder makes, and what it must not."""

import json

import pytest

from grafana import palette, panels
from grafana.board import Board, View
from grafana.layout import Section, place
from grafana.queries import Query

Q = Query("a", "up{RUN}")
BUILT = [
    panels.timeseries("T", "Why?", "s", Q),
    panels.stat("T", "Why?", "s", Q),
    panels.gauge("T", "Why?", "s", Q),
    panels.bar_gauge("T", "Why?", "s", Q),
    panels.heatmap("T", "Why?", "s", "x_seconds"),
    panels.table("T", "Why?", "s", Q, labels=["job"]),
    panels.state_timeline("T", "Why?", "s", Q, states={"1": ("up", palette.GREEN)}),
    panels.text("T", "Why?", "words"),
]


def nulls(value, path=""):
    """Yield the places of nulls."""
    if value is None:
        yield path
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from nulls(each, f"{path}/{key}")


@pytest.mark.parametrize("panel", BUILT, ids=lambda panel: panel.json["type"])
def test_no_null_but_the_first_threshold(panel):
    """Grafana's models refuse a null where an object belongs; a threshold from minus infinity on is one."""
    places = set(nulls(json.loads(json.dumps(panel.json))))
    first = set() if panel.json["type"] == "text" else {"/fieldConfig/defaults/thresholds/steps/0/value"}
    assert places == first


@pytest.mark.parametrize("panel", BUILT, ids=lambda panel: panel.json["type"])
def test_points_are_not_limited_to_a_hundred(panel):
    """grafanalib's own default would thin out every series; nothing of an Angular panel is left either."""
    assert not {"maxDataPoints", "interval", "span", "cards", "yAxis", "heatmap", "editable"} & panel.json.keys()


def test_lines_begin_at_zero_and_break_where_there_is_nothing():
    """An axis that does not begin at 0 exaggerates, and a line over a gap is made up."""
    made = panels.timeseries("T", "Why?", "s", Q).json["fieldConfig"]["defaults"]
    assert made["min"] == 0
    assert (made["custom"]["spanNulls"], made["custom"]["insertNulls"]) == (False, False)
    assert "min" not in panels.timeseries("T", "Why?", "s", Q, log=True).json["fieldConfig"]["defaults"]


def test_colours_go_by_name_and_by_query_where_names_are_many():
    """A legend that holds a label stands for many names."""
    made = panels.timeseries(
        "T", "Why?", "s", Query("a", "x", "#000001"), Query("{{node}}", "y", "#000002", dashed=True)
    )
    matchers = [(o["matcher"]["id"], o["matcher"]["options"]) for o in made.json["fieldConfig"]["overrides"]]
    assert matchers == [("byName", "a"), ("byFrameRefID", "B")]
    assert "custom.lineStyle" in [each["id"] for each in made.json["fieldConfig"]["overrides"][1]["properties"]]


def test_table_shows_labels_then_values_under_their_legends():
    """Columns come in the order given, values named after their queries, the others left out."""
    made = panels.table("T", "Why?", "s", Query("Up", "x"), Query("Slow", "y"), labels=["job", "node"]).json
    assert [each["id"] for each in made["transformations"]] == ["merge", "filterFieldsByName", "organize"]
    assert made["transformations"][2]["options"]["renameByName"] == {"Value #A": "Up", "Value #B": "Slow"}
    assert made["transformations"][1]["options"]["include"]["names"] == ["job", "node", "Value #A", "Value #B"]
    assert {(target["instant"], target["range"], target["format"]) for target in made["targets"]} == {
        (True, False, "table")
    }


def test_panels_fill_lines_from_the_left():
    """What does not fit begins a new line, below the highest of the one before; a line with room left is shared out."""
    wide, small = panels.timeseries("A", "?", "s", Q, width=16, height=9), panels.stat("B", "?", "s", Q, width=8)
    placed = place([Section("", [wide, small, small]), Section("Next", [small])])
    at = [(p["title"], p["gridPos"]["x"], p["gridPos"]["y"], p["gridPos"]["w"]) for p in placed]
    assert at == [("A", 0, 0, 16), ("B", 16, 0, 8), ("B", 0, 9, 24), ("Next", 0, 13, 24), ("B", 0, 14, 24)]
    assert [panel["id"] for panel in placed] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("count", "widths"), [(5, [5, 5, 4, 5, 5]), (4, [6] * 4), (6, [4] * 6), (7, [5, 5, 4, 5, 5, 12, 12])]
)
def test_a_line_that_lacks_a_panel_has_no_hole(count, widths):
    """A run without a sidecar has fewer panels, and not a gap where they were."""
    placed = place([Section("", [panels.stat("B", "?", "s", Q)] * count)])
    assert [panel["gridPos"]["w"] for panel in placed] == widths


def test_one_figure_of_a_run_that_is_over_is_of_all_of_it():
    """The last value of a load that has stopped says nothing of the run: the title names what is told instead."""
    stat, plain = panels.stat("Rate", "?", "reqps", Q, whole="mean"), panels.stat("Vectors", "?", "short", Q)
    alerts = panels.stat("Alerts", "?", "short", Q, whole="max", everywhere=True)
    board = Board("x", "X", "About x.", [Section("", [stat, plain, alerts])])
    live, ended = board.json(View())["panels"], board.json(View(unmeasured=("setup", "warmup")))["panels"]
    told = [(panel["title"], panel["options"]["reduceOptions"]["calcs"]) for panel in (*live, *ended)]
    assert told == [
        ("Rate", ["lastNotNull"]),
        ("Vectors", ["lastNotNull"]),
        ("Alerts", ["lastNotNull"]),
        ("Rate (mean)", ["mean"]),
        ("Vectors", ["lastNotNull"]),
        ("Alerts (highest)", ["max"]),
    ]
    asked = [panel["targets"][0]["expr"] for panel in ended]
    assert asked[0] == f'({Q.expr}) and on () (max(run_phase{{run_id=~"$run",phase!~"setup|warmup"}}) == 1)'
    assert asked[1:] == [Q.expr, Q.expr]
    assert [panel["targets"][0]["expr"] for panel in live] == [Q.expr] * 3


def test_dashboard_is_of_today():
    """Schema version, shared crosshair, nothing to edit; the chosen run is said."""
    made = Board("x", "X", "About x.", [Section("", [BUILT[0]])]).json(View(run="20261125-demo", interval=0.5))
    assert (made["schemaVersion"], made["graphTooltip"], made["editable"], made["uid"]) == (41, 1, False, "dashcam-x")
    assert made["templating"]["list"][0]["current"]["value"] == "20261125-demo"
    assert made["annotations"]["list"][0]["step"] == "1s"


def contrast(color, ground):
    """Return the contrast of two colours (WCAG 2)."""

    def light(text):
        parts = [int(text[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    one, other = sorted((light(color), light(ground)))
    return (other + 0.05) / (one + 0.05)


@pytest.mark.parametrize("ground", ["#ffffff", "#181b1f"], ids=["light", "dark"])
def test_colours_are_seen_on_light_and_on_dark(ground):
    """Grafana's two themes: lines stand out from both grounds."""
    used = {palette.BLUE, palette.ORANGE, palette.GREEN, palette.VERMILION, palette.SKY, palette.PURPLE, palette.GREY}
    assert min(contrast(color, ground) for color in used) > 2
