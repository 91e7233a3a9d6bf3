"""PromQL as text: names, functions and variables."""

import pytest

from grafana import promql
from grafana.promql import Mention
from grafana.queries import Query, expand, quantiles


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("up", [Mention("up", "")]),
        ('sum by (job, node) (rate(a_total{x="b_total",y!~"{c}"}[5m]))', [Mention("a_total", "rate")]),
        ("a / on (node) group_left (mode) b offset 5m", [Mention("a", ""), Mention("b", "")]),
        ("load:latency_seconds:p99 > bool 1e3 or vector(0)", [Mention("load:latency_seconds:p99", "")]),
        ("histogram_quantile(0.95, sum by (le) (rate(x_bucket[$__rate_interval])))", [Mention("x_bucket", "rate")]),
        ('count by (node) (c_total{mode="idle"}) and inf', [Mention("c_total", "count")]),
        ("increase(a[$__range]) unless b", [Mention("a", "increase"), Mention("b", "")]),
    ],
)
def test_metrics_are_found_in_an_expression(expr, found):
    """Labels, strings, functions, windows and words of the language are none."""
    assert promql.mentions(expr) == found


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
