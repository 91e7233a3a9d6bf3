"""Names of metrics in expressions, and the functions that they stand in."""

import pytest

from prometheus import promql
from prometheus.promql import Mention, answers_of_nothing, metrics


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


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("up", ["up"]),
        (
            'sum by (job, node) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))',
            ["node_cpu_seconds_total"],
        ),
        ("sum(rate(a_total[1m])) by (le) / on (node) group_left(x) b", ["a_total", "b"]),
        ("vllm:num_requests_running or vllm:other", ["vllm:num_requests_running", "vllm:other"]),
        ('{__name__=~"x.*"}', []),
        ('{__name__="x", job="y"}', ["x"]),
        ('histogram_quantile(0.99, sum by (le) (rate(x_bucket{a="b{c}"}[5m] offset 1m))) > bool 1e3', ["x_bucket"]),
        ("# a note on things\nabsent(y)", ["y"]),
        ("avg without (instance) (z) and ignoring (a) w unless inf", ["z", "w"]),
        ('label_replace(v, "a", \'$1\', `b`, "(.*)")', ["v"]),
    ],
)
def test_metrics_are_found(expression: str, expected: list[str]) -> None:
    """Labels, functions, words and texts are none."""
    assert list(metrics(expression)) == expected


def test_some_questions_have_answers_without_metrics() -> None:
    """`absent` and constants; nothing else is asked in vain."""
    assert answers_of_nothing("absent(x)")
    assert answers_of_nothing("vector(1)")
    assert answers_of_nothing('{job="x"}')
    assert not answers_of_nothing("sum(rate(x[1m]))")
