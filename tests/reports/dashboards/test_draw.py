"""A dashboard from a recording: what each panel shows, and what it says where it shows nothing."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prometheus import promql
from reports.dashboards import archive, parse
from reports.dashboards.ask import Asker, AskError
from reports.dashboards.draw import summary
from reports.dashboards.kinds import kinds
from reports.dashboards.reasons import SILENT
from tests.reports.dashboards.boards import SPAN, UP, Always, Table, dashboard, drawn, only, panel, recipe, target

KINDS = Path(__file__).parent / "kinds.json"


def test_every_kind_is_found_by_its_file() -> None:
    """The kinds that the issue names."""
    wanted = {"timeseries", "stat", "gauge", "bargauge", "table", "heatmap", "state-timeline", "text"}
    assert wanted <= set(kinds())


def test_expressions_get_grafanas_intervals() -> None:
    """$__interval, $__rate_interval and $__range as Grafana fills them; maxDataPoints and `interval` count."""
    table = Table({}, ["x"])
    ask = "x[$__rate_interval] $__interval $__interval_ms $__range ${__range_s} [[__interval]]"
    drawn(dashboard(panel("timeseries", ask)), table)
    drawn(dashboard(panel("timeseries", ask, maxDataPoints=6)), table)
    drawn(dashboard(panel("timeseries", target(ask, interval="2s"))), table)
    drawn(dashboard(panel("timeseries", target(ask, interval="3"))), table)  # a bare number is seconds
    assert table.asked == [
        "x[4s] 1s 1000 60s 60 1s",
        "x[11s] 10s 10000 60s 60 10s",
        "x[8s] 2s 2000 60s 60 2s",
        "x[12s] 3s 3000 60s 60 3s",
    ]


def test_time_series_of_several_steps_share_an_axis() -> None:
    """A series with a coarser step has gaps on the finer axis; what was not recorded is a gap too."""
    table = Table({"a": [({}, [1.0, np.nan, 3.0])], "b": [({}, [5.0, 6.0])]}, ["a", "b"])
    found = drawn(dashboard(panel("timeseries", "a", target("b", "B", interval="2s"))), table)
    body = only(found)["body"]
    assert found.wire["axes"][body["x"]] == [1000.0, 1.0, 61]
    assert body["series"][0]["v"][:4] == [1, None, 3, None]
    assert body["series"][1]["v"][:4] == [5, None, 6, None]


def test_series_beyond_the_limit_are_told() -> None:
    """20 of 412 series, those with the highest peaks."""
    table = Table({"x": [({"n": str(i)}, [float(i)]) for i in range(412)]}, ["x"])
    found = drawn(dashboard(panel("timeseries", target("x", legendFormat="{{n}}"))), table)
    body = only(found)["body"]
    assert found.outcomes[0].notes == ("20 of 412 series drawn, those with the highest peaks",)
    assert [one["n"] for one in body["series"]] == [str(i) for i in range(392, 412)]


@pytest.mark.parametrize(
    ("legend", "expected"),
    [
        ("{{job}} of {{ job }}", ["llm of llm", "node of node"]),
        ("{{none}}!", ["!", "!"]),
        ("{{none}}", ['up{job="llm"}', 'up{job="node"}']),
        ("__auto", ["llm", "node"]),
        ("", ['up{job="llm"}', 'up{job="node"}']),
        ("on $where", ["on here", "on here"]),
    ],
)
def test_legends(legend: str, expected: list[str]) -> None:
    """Labels in braces, Grafana's own choice, all labels, variables."""
    where = {"type": "constant", "name": "where", "query": "here"}
    found = drawn(dashboard(panel("timeseries", target("up", legendFormat=legend)), variables=[where]), UP)
    assert [one["n"] for one in only(found)["body"]["series"]] == expected


@pytest.mark.parametrize(("calc", "expected"), [("lastNotNull", 3), ("mean", 2.5), ("max", 4), ("min", 1), ("sum", 10)])
def test_stat_calculates(calc: str, expected: float) -> None:
    """One value of a series, by the calculation that is asked for."""
    table = Table({"x": [({}, [1.0, 2.0, 4.0, 3.0, np.nan])]}, ["x"])
    options = {"reduceOptions": {"calcs": [calc]}, "graphMode": "area"}
    found = only(drawn(dashboard(panel("stat", "x", options=options)), table))
    assert found["body"]["items"][0]["v"] == expected
    assert found["body"]["items"][0]["c"][1][:5] == [1, 2, 4, 3, None]


def test_gauge_bounds() -> None:
    """The field's, else the unit's, else those of the values."""
    table = Table({"x": [({}, [0.25])], "y": [({}, [-3.0])]}, ["x", "y"])

    def bounds(expr: str, **defaults: Any) -> tuple[float, float]:
        item = only(drawn(dashboard(panel("gauge", expr, defaults=defaults)), table))["body"]["items"][0]
        return item["lo"], item["hi"]

    assert bounds("x", unit="percentunit") == (0, 1)
    assert bounds("x", unit="percent", max=50) == (0, 50)
    assert bounds("x") == (0, 0.25)
    assert bounds("y") == (-3, 0)


def test_table_of_instant_queries() -> None:
    """Merged, hidden, renamed and sorted as the panel says; a sum below."""
    rows = [({"node": "n1"}, [1.0]), ({"node": "n2"}, [3.0])]
    table = Table({"a": rows, "b": [({"node": "n2"}, [7.0])]}, ["a", "b"])
    found = drawn(
        dashboard(
            panel(
                "table",
                target("a", format="table", instant=True),
                target("b", "B", format="table", instant=True),
                transformations=[
                    {"id": "merge", "options": {}},
                    {
                        "id": "organize",
                        "options": {"excludeByName": {"Time": True}, "renameByName": {"Value #A": "Busy"}},
                    },
                ],
                options={
                    "sortBy": [{"displayName": "Busy", "desc": True}],
                    "footer": {"show": True, "reducer": ["sum"]},
                },
            )
        ),
        table,
    )
    body = only(found)["body"]
    assert [(c["n"], c["v"]) for c in body["columns"]] == [
        ("node", ["n2", "n1"]), ("Busy", [3, 1]), ("Value #B", [7, None]),
    ]  # fmt: skip
    assert body["footer"] == ["Total", 4, 7]


def test_heatmap_takes_buckets_apart() -> None:
    """Cumulative buckets in the order of their bounds; empty ones at the ends are left out.

    The field's unit is that of the bounds; what is counted has its own.
    """
    answer = [
        ({"le": le}, [value])
        for le, value in (("+Inf", 9.0), ("0.1", 1.0), ("1", 6.0), ("10", 9.0), ("0.01", 0.0), ("100", 9.0))
    ]
    found = drawn(
        dashboard(
            panel(
                "heatmap",
                target("h_bucket", format="heatmap"),
                defaults={"unit": "s"},
                options={"cellValues": {"unit": "reqps", "decimals": -3}},
            )
        ),
        Table({"h_bucket": answer}, ["h_bucket"]),
    )
    body = only(found)["body"]
    assert (body["unit"], body["cell"]) == ("s", {"u": "reqps", "d": 0})
    assert [(row, z[0]) for row, z in zip(body["rows"], body["z"], strict=True)] == [
        (0.01, 0),
        (0.1, 1),
        (1, 5),
        (10, 3),
        (100, 0),
    ]


def test_state_timeline_keeps_states() -> None:
    """A lane a series; a series without values is none."""
    table = Table({"x": [({"p": "a"}, [0.0, 1.0, 1.0]), ({"p": "b"}, [np.nan])]}, ["x"])
    body = only(drawn(dashboard(panel("state-timeline", target("x", legendFormat="{{p}}"))), table))["body"]
    assert [(lane["n"], lane["v"][:3]) for lane in body["lanes"]] == [("a", [0, 1, 1])]


def test_trouble_of_one_query_is_that_panels() -> None:
    """A query that Prometheus refuses is told in its panel; the others are drawn. One of two is a note."""
    found = drawn(
        dashboard(
            panel("stat", "(((", title="bad"),
            panel("stat", "up", title="good"),
            panel("stat", "up", "(((", title="half"),
        ),
        UP,
    )
    assert [(one.title, one.state) for one in found.outcomes] == [
        ("bad", "undrawable"),
        ("good", "drawn"),
        ("half", "drawn"),
    ]
    assert found.outcomes[0].reason == "query A: Prometheus refuses it: parse error"
    assert found.outcomes[2].notes == ("query B: Prometheus refuses it: parse error",)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (panel("nodeGraph", "up"), "panels of kind nodeGraph are not drawn here"),
        (panel("timeseries", "x", datasource={"type": "loki", "uid": "l"}), "the data source loki"),
        (
            panel("timeseries", target("x", datasource={"type": "__expr__", "uid": "__expr__"})),
            "expression that Grafana computes",
        ),
        (panel("timeseries"), "no query"),
        (panel("timeseries", target("up", hide=True)), "no query"),
        (panel("heatmap", "up", options={"calculate": True}), "own buckets"),
    ],
)
def test_what_cannot_be_drawn_is_named(one: dict[str, Any], words: str) -> None:
    """Kinds that are not here, other data sources, panels without a query."""
    (outcome,) = drawn(dashboard(one), UP).outcomes
    assert outcome.state == "undrawable"
    assert words in outcome.reason


@pytest.mark.parametrize(
    ("expr", "reasons", "words"),
    [
        ("vllm:num_requests_running", {}, "this run has no vLLM service"),
        ("gpu:utilization_ratio", {}, "the exporter gpu was not asked for: watch.exporters"),
        ("sum(node_infiniband_port_x)", {"infiniband": "no such device"}, "node_exporter infiniband: no such device"),
        ("something_else", {}, f"no target gave something_else, and {SILENT}"),
        ("up > 1", {}, SILENT),
        ("load_errors_total", {}, "no request failed"),
        ("load:request_rate", {"rules": "no rules"}, "no rules"),
    ],
)
def test_emptiness_has_a_reason(expr: str, reasons: dict[str, str], words: str) -> None:
    """By where its metric would come from; where nothing is known, that is said."""
    (outcome,) = drawn(dashboard(panel("stat", expr)), UP, reasons).outcomes
    assert (outcome.state, outcome.reason) == ("empty", words)


def test_variable_without_a_value_is_a_reason() -> None:
    """A dashboard of another site may ask for labels that this recording has not."""
    model_name = {"type": "query", "name": "model", "query": "label_values(up, model_name)"}
    found = drawn(dashboard(panel("stat", 'up{model="$model"}'), variables=[model_name]), UP)
    assert found.outcomes[0].reason == "the variable model has no value in this recording"
    assert found.wire["variables"] == [["model", "no value in this recording"]]


def test_what_was_not_recorded_is_not_asked() -> None:
    """A question without any recorded metric costs no time; the same question is asked once."""
    table = Table({"up": []}, ["up"])
    drawn(dashboard(panel("stat", "rate(gone[1m])"), panel("timeseries", "up"), panel("gauge", "up")), table)
    assert table.asked == ["up"]


def test_time_of_all_dashboards_is_bounded() -> None:
    """When it is over, panels say so."""
    asker = Asker(UP, SPAN, budget=-1.0)
    with pytest.raises(AskError, match="may take were over"):
        asker.instant("vector(1)")


def test_repeats_are_laid_out() -> None:
    """A panel a value, side by side up to maxPerRow, with the value in title and query; those below move down."""
    several = {"type": "custom", "name": "n", "query": "a,b,c", "multi": True, "current": {"value": ["a", "b", "c"]}}
    repeated = panel(
        "stat", 'up{n="$n"}', title="$n", repeat="n", maxPerRow=2, gridPos={"x": 0, "y": 0, "w": 24, "h": 4}
    )
    after = panel("stat", "up", title="after", gridPos={"x": 0, "y": 4, "w": 24, "h": 4})
    table = Table({**UP.answers, 'up{n="a"}': [({}, [1.0])]}, ["up"])
    found = drawn(dashboard(repeated, after, variables=[several]), table)
    (row,) = found.wire["rows"]
    assert [(one["t"], one["at"]) for one in row["panels"]] == [
        ("a", [0, 0, 12, 4]), ("b", [12, 0, 12, 4]), ("c", [0, 4, 12, 4]), ("after", [0, 8, 24, 4]),
    ]  # fmt: skip
    assert table.asked == ['up{n="a"}', 'up{n="b"}', 'up{n="c"}', "up"]


def test_repeated_rows() -> None:
    """A row a value, with its panels."""
    several = {"type": "custom", "name": "n", "query": "a,b", "multi": True, "current": {"value": ["a", "b"]}}
    row = {"type": "row", "title": "Row $n", "repeat": "n", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}}
    inside = panel("stat", "up", title="of $n", gridPos={"x": 0, "y": 1, "w": 24, "h": 4})
    found = drawn(dashboard(row, inside, variables=[several]), UP)
    assert [(one["t"], [p["t"] for p in one["panels"]]) for one in found.wire["rows"]] == [
        ("Row a", ["of a"]), ("Row b", ["of b"]),
    ]  # fmt: skip


def test_annotations_are_stretches() -> None:
    """Where the answer is there and not 0; phases are left to the page, which knows them better."""
    table = Table({"busy": [({"node": "n1"}, [0.0, 1.0, 1.0, 0.0, 2.0])]}, ["busy", "up"])
    found = drawn(
        dashboard(
            panel("text", options={"content": "x"}),
            annotations={"list": [
                {"name": "B", "expr": "busy", "titleFormat": "busy {{node}}", "iconColor": "red"},
                {"name": "P", "expr": "run_phase == 1"},
                {"name": "off", "enable": False, "expr": "up"},
            ]},
        ),
        table,
    )  # fmt: skip
    assert found.wire["bands"] == [
        {"n": "busy n1", "from": 1001.0, "to": 1002.0, "c": "red"},
        {"n": "busy n1", "from": 1004.0, "to": 1004.0, "c": "red"},
    ]


def test_panels_may_show_the_answer_of_another() -> None:
    """The data source `-- Dashboard --`."""
    other = {"type": "datasource", "uid": "-- Dashboard --"}
    second = panel("stat", {"panelId": 1, "refId": "A"}, datasource=other, title="copy")
    found = drawn(dashboard(panel("timeseries", "up"), second), UP)
    assert [one.state for one in found.outcomes] == ["drawn", "drawn"]


def test_summary_lists_what_is_not_drawn() -> None:
    """For programs: counts, and panels with their reasons."""
    told = summary(
        drawn(dashboard(panel("stat", "up"), panel("stat", "gone", title="x"), panel("news", title="y")), UP)
    )
    assert (told["panels"], told["drawn"]) == (3, 1)
    assert told["empty"] == [{"panel": "x", "row": "", "reason": f"no target gave gone, and {SILENT}"}]
    assert told["undrawable"] == [{"panel": "y", "row": "", "reason": "panels of kind news are not drawn here"}]


def test_archive_comes_in_order_and_tells_of_what_is_broken(tmp_path: Any) -> None:
    """The overview first; a file that is none is told of and costs no other; tabs lose what all titles share."""
    for name in ("b", "overview", "a"):
        (tmp_path / f"{name}.json").write_text(json.dumps(dashboard(panel("stat", "up"), title=f"run: {name}")))
    (tmp_path / "c.json").write_text("{")
    found = archive.gather(archive.archived(tmp_path), UP, SPAN, recipe(), ())
    assert found.tabs == ["overview", "a", "b"]
    assert len(found.broken) == 1
    assert "c.json" in found.broken[0]


def test_nothing_recorded_is_a_recording() -> None:
    """A run without series has dashboards without values."""
    found = archive.draw(parse.parse(dashboard(panel("stat", "up"))), Asker(None, SPAN), archive.Run(recipe()))
    assert found.outcomes[0].state == "empty"


def test_golden(golden: Any) -> None:
    """What the page is told of a dashboard with every kind of panel, letter by letter."""
    names = sorted({name for one in parse.read(KINDS).panels for t in one.targets for name in promql.metrics(t.expr)})
    rows = [({"job": "x", "le": "1", "phase": "p"}, [1.0, 2.5]), ({"job": "y", "le": "+Inf"}, [3.0])]
    wire = drawn(json.loads(KINDS.read_text()), Always(rows, names)).wire
    # Long lists of empty points say nothing.
    text = re.sub(r"(, null){8,}", ", ...", json.dumps(wire))
    golden(KINDS.parent / "golden" / "kinds.wire", "},\n{".join(text.split("}, {")) + "\n")


def test_histogram_counts_the_values_of_all_series() -> None:
    """Buckets of the size that is asked for, or of one that reads well; bounds have the field's unit."""
    table = Table({"x": [({"n": "a"}, [0.1, 0.4, 1.2]), ({"n": "b"}, [2.6, np.nan])]}, ["x"])
    found = drawn(dashboard(panel("histogram", "x", options={"bucketSize": 1}, defaults={"unit": "s"})), table)
    one = only(found)
    assert [(item["n"], item["v"]) for item in one["body"]["items"]] == [([0, 1], 2), ([1, 2], 1), ([2, 3], 1)]
    assert one["fields"][one["body"]["items"][0]["b"]]["u"] == "s"
    assert found.outcomes[0].notes == ("the values of 2 series together",)
    by_itself = only(drawn(dashboard(panel("histogram", "x")), table))["body"]["items"]
    assert by_itself[0]["n"] == [0.1, 0.2]
    assert sum(item["v"] for item in by_itself) == 4


def test_lone_gauges_have_no_name_unless_given_one() -> None:
    """As Grafana does: the name of the only series says nothing that the title does not."""
    table = Table({"x": [({"n": "a"}, [1.0])]}, ["x"])
    assert only(drawn(dashboard(panel("gauge", "x")), table))["body"]["items"][0]["n"] == ""
    named = panel("bargauge", "x", defaults={"displayName": "Mine"})
    assert only(drawn(dashboard(named), table))["body"]["items"][0]["n"] == "Mine"


def test_hidden_series_are_shown_where_nothing_else_is() -> None:
    """A dashboard that was saved after a click on a legend hides all but a series of its own time."""

    def hides(name: str) -> dict[str, Any]:
        options = {"mode": "exclude", "names": [name], "prefix": "All except:", "readOnly": True}
        hide = {"id": "custom.hideFrom", "value": {"legend": False, "tooltip": False, "viz": True}}
        return {"matcher": {"id": "byNames", "options": options}, "properties": [hide]}

    query = target("up", legendFormat="{{job}}")
    here = drawn(dashboard(panel("timeseries", query, overrides=[hides("llm")])), UP)
    assert [one["n"] for one in only(here)["body"]["series"]] == ["llm"]
    gone = drawn(dashboard(panel("timeseries", query, overrides=[hides("pod-x")])), UP)
    assert [one["n"] for one in only(gone)["body"]["series"]] == ["llm", "node"]
    assert "hides" in gone.outcomes[0].notes[0]


def test_what_is_drawn_downwards_is_written_as_it_is() -> None:
    """`negative-Y` turns the curve, not the figures of the legend."""
    table = Table({"x": [({}, [1.0, 3.0])]}, ["x"])
    options = {"legend": {"calcs": ["max"]}}
    down = panel("timeseries", "x", defaults={"custom": {"transform": "negative-Y"}}, options=options)
    (series,) = only(drawn(dashboard(down), table))["body"]["series"]
    assert (series["v"][:2], series["q"], series["y"]) == ([-1, -3], [3], True)


def test_long_texts_are_cut() -> None:
    """A text panel of more than anybody reads says how much of it is shown."""
    found = drawn(dashboard(panel("text", options={"content": "x" * 30_000})), UP)
    assert only(found)["body"]["blocks"] == [["p", "x" * 20_000]]
    assert found.outcomes[0].notes == ("the first 20,000 of 30,000 letters",)
