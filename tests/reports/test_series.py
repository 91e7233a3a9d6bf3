"""The time axis, and the curves of the records."""

import numpy as np
import pytest

from reports import exact, series
from reports.series import Grid
from tests.reports import recording as made

BEGIN = made.START.timestamp()


def test_grid_is_no_finer_than_a_screen() -> None:
    """A long run is drawn in whole multiples of the interval."""
    assert len(Grid.over(0.0, 600.0, 1.0).times) == 601
    long = Grid.over(0.0, 36_000.0, 1.0)
    assert len(long.times) <= series.MOST_POINTS + 1
    assert long.step == 30.0


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
