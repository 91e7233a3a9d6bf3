"""What is drawn is what Prometheus answers: every kind of panel beside a query of our own."""

import base64
import gzip
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from prometheus import replay
from prometheus.client import Client, Series
from reports.dashboards import parse
from reports.dashboards.ask import Asker
from reports.dashboards.draw import Drawn, Run, draw
from reports.dashboards.steps import Range
from runs.directory import RunDirectory
from tests.reports import recording as made
from tests.reports.dashboards.boards import dashboard, only, panel, recipe, target

pytestmark = pytest.mark.real

START = made.START.timestamp()
SPAN = Range(START - 5.0, START + 38.0, 1.0)
BEGIN, END = math.floor(SPAN.start), math.floor(SPAN.end)


@pytest.fixture(scope="module")
def client(boarded: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The recording, opened again."""
    with replay.open_blocks(boarded.tsdb, tmp_path_factory.mktemp("replay")) as opened:
        yield opened.client


def show(client: Client, *panels: dict[str, Any], span: Range = SPAN, **more: Any) -> Drawn:
    """Draw a dashboard."""
    return draw(parse.parse(dashboard(*panels, **more)), Asker(client, span), Run(recipe()))


def gridded(series: Series, step: float = 1.0) -> list[float | None]:
    """Put an answer at the points of the step, with 6 digits."""
    found: list[float | None] = [None] * (math.floor((END - BEGIN) / step) + 1)
    for time, value in zip(series.times, series.values, strict=True):
        if math.isfinite(value):
            found[round((time - BEGIN) / step)] = float(f"{value:.6g}")
    return found


def test_time_series(client: Client) -> None:
    """Each value of each series, $__rate_interval filled with four scrapes."""
    expr = "sum by (service) (rate(process_tree_cpu_seconds_total[$__rate_interval]))"
    body = only(show(client, panel("timeseries", target(expr, legendFormat="{{service}}"))))["body"]
    direct = client.query_range(expr.replace("$__rate_interval", "4s"), BEGIN, END, 1.0)
    assert len(direct) == 3
    assert {one["n"]: one["v"] for one in body["series"]} == {s.labels["service"]: gridded(s) for s in direct}
    assert sum(value is not None for one in body["series"] for value in one["v"]) > 100


def test_coarse_steps(client: Client) -> None:
    """A panel of few points has Grafana's step and rate interval."""
    expr = "sum(rate(load_tokens_total[$__rate_interval])) * $__interval_ms"
    found = show(client, panel("timeseries", expr, maxDataPoints=8))
    body = only(found)["body"]
    (direct,) = client.query_range("sum(rate(load_tokens_total[6s])) * 5000", BEGIN, END, 5.0)
    assert found.wire["axes"][body["x"]][1] == 5.0
    known = [value for value in body["series"][0]["v"] if value is not None]
    assert known == [float(f"{value:.6g}") for value in direct.values]
    assert len(known) >= 7


@pytest.mark.parametrize(
    ("calc", "function"),
    [("lastNotNull", "last"), ("mean", "avg"), ("max", "max"), ("min", "min"), ("sum", "sum"), ("count", "count")],
)
def test_stat(client: Client, calc: str, function: str) -> None:
    """The calculation over the panel's points, as Prometheus makes it over the same points itself."""
    inner = "sum(llamacpp:requests_processing)"
    options = {"reduceOptions": {"calcs": [calc]}}
    (item,) = only(show(client, panel("stat", inner, options=options)))["body"]["items"]
    over = f"{function}_over_time(({inner})[{END - BEGIN}s:1s])"
    (direct,) = client.query(over, END)
    assert item["v"] == pytest.approx(float(direct.values[-1]), rel=1e-8)


def test_range_of_the_dashboard(client: Client) -> None:
    """$__range is the time that is shown: an instant query over all of it."""
    expr = "sum(increase(load_tokens_total[$__range]))"
    (item,) = only(show(client, panel("stat", target(expr, instant=True))))["body"]["items"]
    (direct,) = client.query("sum(increase(load_tokens_total[43s]))", SPAN.end)
    assert item["v"] == float(f"{direct.values[-1]:.9g}")


def test_own_time_of_a_panel(client: Client) -> None:
    """`timeShift` and `timeFrom` within the run: the answer at that moment, and $__range of that length."""
    expr = "sum(increase(load_tokens_total[$__range]))"
    shifted = panel("stat", target(expr, instant=True), timeFrom="20s", timeShift="10s")
    (item,) = only(show(client, shifted))["body"]["items"]
    (direct,) = client.query("sum(increase(load_tokens_total[20s]))", SPAN.end - 10.0)
    assert item["v"] == float(f"{direct.values[-1]:.9g}")


def test_calculated_fields(client: Client) -> None:
    """A difference of two queries is what Prometheus makes of both."""
    ask = "sum(rate(load_tokens_total[4s]))", "sum(rate(load_requests_total[4s]))"
    minus = {"mode": "binary", "alias": "gap", "binary": {"left": "a", "operator": "-", "right": "b"}}
    drawing = panel(
        "timeseries",
        target(ask[0], legendFormat="a"),
        target(ask[1], "B", legendFormat="b"),
        transformations=[{"id": "calculateField", "options": {**minus, "replaceFields": True}}],
    )
    (series,) = only(show(client, drawing))["body"]["series"]
    (direct,) = client.query_range(f"{ask[0]} - {ask[1]}", BEGIN, END, 1.0)
    assert series["n"] == "gap"
    expected = gridded(direct)
    assert [value is None for value in series["v"]] == [value is None for value in expected]
    pairs = [(a, b) for a, b in zip(series["v"], expected, strict=True) if b is not None]
    assert len(pairs) > 20
    assert all(a == pytest.approx(b, rel=1e-5) for a, b in pairs)


@pytest.mark.parametrize("kind", ["gauge", "bargauge"])
def test_gauges(client: Client, kind: str) -> None:
    """The last value of each series."""
    expr = "sum by (service) (process_tree_resident_memory_bytes)"
    items = only(show(client, panel(kind, target(expr, legendFormat="{{service}}"))))["body"]["items"]
    direct = client.query(expr, END)
    assert {one["n"]: one["v"] for one in items} == {s.labels["service"]: float(f"{s.values[-1]:.9g}") for s in direct}


def test_table(client: Client) -> None:
    """Rows of two instant queries, joined by their labels."""
    wanted = [target("sum by (job) (up)", "A", format="table", instant=True),
              target("sum by (job) (scrape_samples_scraped)", "B", format="table", instant=True)]  # fmt: skip
    body = only(show(client, panel("table", *wanted, transformations=[{"id": "merge", "options": {}}])))["body"]
    columns = {column["n"]: column["v"] for column in body["columns"]}
    for ref, expr in (("A", "up"), ("B", "scrape_samples_scraped")):
        direct = client.query(f"sum by (job) ({expr})", SPAN.end)
        assert dict(zip(columns["job"], columns[f"Value #{ref}"], strict=True)) == {
            s.labels["job"]: float(f"{s.values[-1]:.9g}") for s in direct
        }


def test_heatmap(client: Client) -> None:
    """A bucket's count is the difference of two cumulative ones, step by step."""
    expr = "sum by (le) (increase(load_request_duration_seconds_bucket[$__rate_interval]))"
    body = only(show(client, panel("heatmap", target(expr, format="heatmap", legendFormat="{{le}}"))))["body"]
    direct = {s.labels["le"]: s for s in client.query_range(expr.replace("$__rate_interval", "4s"), BEGIN, END, 1.0)}
    assert body["rows"] == [0.01, 0.1, 1, "+Inf"]
    low, high = (np.array(gridded(direct[le]), dtype=np.float64) for le in ("0.01", "0.1"))
    drawn = np.array(body["z"][1], dtype=np.float64)
    assert np.count_nonzero(~np.isnan(drawn)) > 30
    np.testing.assert_allclose(drawn, high - low, rtol=1e-4, equal_nan=True)


def test_equality_with_several_values(client: Client) -> None:
    """`="$x"` where a page shows several values of x is asked as `=~`."""
    instance = {
        "type": "query", "name": "instance", "query": "label_values(up, instance)", "multi": True,
        "current": {"value": ["n0:1", "n0:3"]},
    }  # fmt: skip
    found = show(client, panel("stat", target('sum(up{instance="$instance"})', instant=True)), variables=[instance])
    (direct,) = client.query('sum(up{instance=~"n0:1|n0:3"})', SPAN.end)
    assert only(found)["body"]["items"][0]["v"] == direct.values[-1] == 2.0
    assert "instance" in found.outcomes[0].notes[0]


def test_state_timeline(client: Client) -> None:
    """A state stands at each step."""
    body = only(show(client, panel("state-timeline", target("run_phase", legendFormat="{{phase}}"))))["body"]
    direct = client.query_range("run_phase", BEGIN, END, 1.0)
    assert {lane["n"]: lane["v"] for lane in body["lanes"]} == {s.labels["phase"]: gridded(s) for s in direct}


def test_variables_by_regular_expression(client: Client) -> None:
    """Several values, with signs that mean something in a regular expression, select what Prometheus selects."""
    instance = {
        "type": "query", "name": "instance", "query": "label_values(up, instance)", "multi": True,
        "regex": "/n0:[123]/", "current": {"value": ["n0:1", "n0:3"]},
    }  # fmt: skip
    texts = ('up{instance=~"$instance"}', 'up{instance=~"${instance:regex}"}', 'up{instance=~"[[instance]]"}')
    for text in texts:
        found = show(client, panel("table", target(text, format="table", instant=True)), variables=[instance])
        columns = {column["n"]: column["v"] for column in only(found)["body"]["columns"]}
        direct = client.query('up{instance=~"n0:1|n0:3"}', SPAN.end)
        assert sorted(columns["instance"]) == sorted(s.labels["instance"] for s in direct) == ["n0:1", "n0:3"]


def test_report_carries_the_figures(boarded: RunDirectory, client: Client) -> None:
    """The page holds what was drawn, compressed; the summary and the coverage tell of it panel by panel."""
    page = boarded.report.read_text()
    packed = re.search(r'id="data-board-0">([^<]+)<', page)
    assert packed
    wire = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    panels = {one.get("t"): one for row in wire["rows"] for one in row["panels"]}
    (item,) = panels["CPU"]["body"]["items"]
    step_start, _, count = wire["axes"][panels["Two axes, log, area"]["body"]["x"]]
    direct = client.query_range(
        '1 - avg by (node)(rate(node_cpu_seconds_total{mode="idle"}[4s]))', step_start, step_start + count - 1, 1.0
    )
    assert item["v"] == pytest.approx(float(direct[0].values.max()), rel=1e-8)
    boards = json.loads(boarded.summary.read_text())["dashboards"]
    assert [(one["file"], one["panels"]) for one in boards[:2]] == [("a-kinds.json", 21), ("b-hostile.json", 15)]
    assert [one["file"] for one in boards[2:]] == ["d-classic.json", "d-rows.json", "d-schema2.json"]
    assert {one["panel"]: one["reason"] for one in boards[0]["undrawable"]} == {
        "Broken query": "query A: Prometheus refuses it: 1:13: parse error: missing unit character in duration",
        "Graph of nodes": "panels of kind nodeGraph are not drawn here",
        "Logs": "it asks the data source loki, which a recording has not",
    }
    assert "<b>Every kind of panel</b>:" in page
    assert "c-broken.json is no JSON" in page
