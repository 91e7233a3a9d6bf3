"""Panels, the time axis, and what becomes of a recording's series."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from prometheus.client import Series
from reports import exact, series
from reports.panels import GROUPS, PANELS
from reports.series import Grid
from tests.reports import recording as made

BEGIN = made.START.timestamp()


class Fake:
    """A recording that knows some metrics, and answers each query with one series, or with several."""

    def __init__(self, names: list[str], count: int = 1, *, empty: bool = False) -> None:
        self.names, self.count, self.empty = names, count, empty
        self.asked: list[str] = []

    def query(self, expression: str, at: float | None = None) -> list[Series]:
        """See `reports.scrapes.Recorded`."""
        raise AssertionError(expression, at)

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """See `reports.scrapes.Recorded`."""
        self.asked.append(expression)
        times = np.arange(start, end, step)
        return [
            Series({"service": f"s{i:02}"}, times, np.full(len(times), np.nan if self.empty else float(i)))
            for i in range(self.count)
        ]

    def samples(self, selector: str, start: float, end: float) -> list[Series]:
        """See `reports.scrapes.Recorded`."""
        raise AssertionError(selector, start, end)

    def label_values(self, label: str, start: float, end: float) -> list[str]:
        """See `reports.scrapes.Recorded`."""
        assert label == "__name__"
        assert start < end
        return self.names


def test_panels_are_described() -> None:
    """Each panel has a group, a title of its own, a description, and metrics that name its data."""
    titles = [panel.title for panel in PANELS]
    assert len(set(titles)) == len(titles)
    for panel in PANELS:
        assert panel.group in GROUPS
        assert panel.description.endswith(".")
        assert panel.metrics, panel.title


@pytest.mark.real
def test_every_expression_is_promql(tmp_path: Path) -> None:
    """promtool parses what the panels ask, at the scrape interval and coarser."""
    for span in (30.0, 90_000.0):
        grid = Grid.over(BEGIN, BEGIN + span, 1.0)
        rules = "".join(
            f"  - record: r:{number}\n    expr: {grid.expression(text)!r}\n"
            for number, text in enumerate(text for panel in PANELS for _legend, text in panel.queries)
        )
        path = tmp_path / "rules.yml"
        path.write_text(f"groups:\n- name: g\n  rules:\n{rules}")
        done = subprocess.run(["promtool", "check", "rules", str(path)], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_counters_stand_inside_rates_only() -> None:
    """A counter is never drawn as it is, a gauge never through rate()."""
    for panel in PANELS:
        for _legend, text in panel.queries:
            for name in re.findall(r"[a-z0-9_:]+_(?:total|bucket)\b", text):
                assert f"rate({name}" in text, text


def test_grid_is_no_finer_than_a_screen() -> None:
    """A long run is drawn in whole multiples of the interval, with rates as wide as a step."""
    assert len(Grid.over(0.0, 600.0, 1.0).times) == 601
    long = Grid.over(0.0, 36_000.0, 1.0)
    assert len(long.times) <= series.MOST_POINTS + 1
    assert long.step == 30.0
    assert long.expression('rate(a[$w]) + last(b{c="d"})') == 'rate(a[30000ms]) + avg_over_time(b{c="d"}[30000ms])'
    short = Grid.over(0.0, 10.0, 0.5)
    assert short.expression("rate(a[$w]) + last(b)") == "rate(a[2000ms]) + last_over_time(b[1250ms])"


def test_only_what_is_recorded_is_drawn() -> None:
    """A panel without its metric is named with the reason; one of another service is not missed."""
    source = Fake(["llamacpp:prompt_tokens_total", "process_tree_threads", "load_requests_in_flight"])
    drawn, absent = series.charts(source, Grid.over(BEGIN, BEGIN + 10, 1.0))
    titles = {chart.title for chart in drawn}
    assert titles == {"Requests in flight", "llama.cpp: tokens", "Threads"}
    missing = {item.title: item.reason for item in absent}
    assert "node_cpu_seconds_total" in missing["CPU of the node"]
    assert not any("vLLM" in title or "PostgreSQL" in title for title in missing)
    assert "llama.cpp: requests" in missing


def test_panel_without_values_is_not_drawn() -> None:
    """A metric that has no number in these phases makes no empty chart."""
    drawn, absent = series.charts(Fake(["process_tree_threads"], empty=True), Grid.over(BEGIN, BEGIN + 10, 1.0))
    assert drawn == []
    assert ("Threads", "its series have no values in these phases") in {(item.title, item.reason) for item in absent}


def test_crowded_panel_keeps_the_highest() -> None:
    """Of 40 programs the twelve with the highest peaks are drawn, in order, and the rest is counted."""
    drawn, _absent = series.charts(Fake(["process_tree_threads"], 40), Grid.over(BEGIN, BEGIN + 10, 1.0))
    assert [line.name for line in drawn[0].lines] == [f"s{i}" for i in range(28, 40)]
    assert drawn[0].left_out == 28


def test_without_series_everything_is_absent() -> None:
    """No blocks: nothing is drawn, and each panel says so."""
    drawn, absent = series.charts(None, Grid.over(BEGIN, BEGIN + 10, 1.0))
    assert drawn == []
    assert {item.reason for item in absent} == {"no series were saved"}


def test_missing_samples_are_gaps() -> None:
    """A grid point without a sample is NaN, and infinities are no values."""
    grid = Grid.over(BEGIN, BEGIN + 5, 1.0)
    times = np.array([BEGIN, BEGIN + 1, BEGIN + 4, BEGIN + 99])
    found = series.on_grid(Series({}, times, np.array([1.0, np.inf, 3.0, 4.0])), grid)
    assert np.array_equal(found, [1.0, np.nan, np.nan, np.nan, 3.0, np.nan], equal_nan=True)


def test_legends_are_filled_from_labels() -> None:
    """Labels stand in their places; an unlabelled series of a labelled legend is called all."""
    one = Series({"node": "{service}"}, np.array([]), np.array([]))
    assert series.legend("{node} in", one) == "{service} in"
    assert series.legend("{service}", one) == "all"


def test_client_curves_are_exact() -> None:
    """Each second's percentiles are those of its requests, and a second without any is a gap."""
    rows = [made.row("steady", 0.1 + second, took) for second in (0, 2) for took in (0.1, 0.2, 0.3)]
    found = made.evidence(rows, phases=(made.span("steady", 0.0, 3.0, rate=2.0),))
    charts = {chart.title: chart for chart in exact.charts(found, Grid.over(BEGIN, BEGIN + 3, 1.0))}
    p50, p99 = charts["Latency"].lines
    assert np.array_equal(p50.values.round(6), [0.2, np.nan, 0.2, np.nan], equal_nan=True)
    assert np.array_equal(p99.values.round(6), [0.3, np.nan, 0.3, np.nan], equal_nan=True)
    asked, intended, completed = charts["Requests"].lines
    assert asked.values[:3].tolist() == [2.0, 2.0, 2.0]
    assert intended.values.tolist() == [3.0, 0.0, 3.0, 0.0]
    assert completed.values.tolist() == [3.0, 0.0, 3.0, 0.0]
    assert "Time to first token" not in charts
    assert not list(exact.charts(made.evidence([]), Grid.over(BEGIN, BEGIN + 3, 1.0)))


@pytest.mark.parametrize("rows", [made.llm_rows(), [one | {"recall": 0.9} for one in made.steady_rows()]])
def test_client_curves_say_that_they_are_exact(rows: list[made.Row]) -> None:
    """Streaming and retrieval loads have their own curves, each with its source."""
    charts = list(exact.charts(made.evidence(rows), Grid.over(BEGIN, BEGIN + 40, 1.0)))
    assert all("Exact, from the records" in chart.description for chart in charts)
    assert {"Recall", "Inter-token gaps"} & {chart.title for chart in charts}
