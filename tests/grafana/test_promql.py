"""PromQL of panels as text: variables, windows, and what promtool says."""

import pytest

from grafana import promql
from grafana.queries import Query, expand, quantiles


def test_variables_are_filled_in():
    """Both ways that Grafana writes them."""
    values = {"run": "r1", "node": ".*", "__range": "60s"}
    assert promql.fill('up{run="$run",node=~"${node:regex}"}[$__range]', values) == 'up{run="r1",node=~".*"}[60s]'
    with pytest.raises(KeyError):
        promql.fill("up{x='$unknown'}", values)


def test_windows_of_rates_are_found():
    """With matchers and without."""
    expr = 'rate(a{b="c"}[5m]) + rate(d[$__rate_interval]) + increase(e[1h])'
    assert promql.windows(expr, "rate") == ["5m", "$__rate_interval"]


def test_promtool_names_the_expression_that_it_refuses():
    """The words say which of many it is."""
    with pytest.raises(promql.PromtoolError, match=r"rate\(up\)"):
        promql.check(["up", "rate(up)"])


def test_short_words_are_written_out():
    """Run, nodes and the window of rates are said once."""
    assert expand('rate(a{NODE,b="c"}[RATE])') == 'rate(a{run_id=~"$run",node=~"$node",b="c"}[$__rate_interval])'
    assert Query("x", "b{RUN}").expr == 'b{run_id=~"$run"}'


def test_quantiles_keep_labels_and_colours():
    """One query a quantile; a colour where there is one series, none where there are many."""
    found = quantiles("x_seconds", ("#1", "#2", "#3"), where="RUN")
    assert [(query.legend, query.color) for query in found] == [("p50", "#1"), ("p95", "#2"), ("p99", "#3")]
    assert found[1].text == "histogram_quantile(0.95, sum by (le) (rate(x_seconds_bucket{RUN}[RATE])))"
    by = quantiles("x_seconds", ("#1", "#2", "#3"), by="type")[0]
    assert (by.legend, by.color) == ("p50 {{type}}", None)
    assert "sum by (le, type)" in by.text
