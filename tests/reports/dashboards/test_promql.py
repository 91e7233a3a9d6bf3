"""Names of metrics in expressions."""

import pytest

from reports.dashboards.promql import answers_of_nothing, metrics, names_variable


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


def test_variables_are_seen() -> None:
    """In all three ways to write them, and not in longer names."""
    assert all(names_variable(text, "node") for text in ('{n="$node"}', "${node:regex}", "[[node]]"))
    assert not names_variable('{n="$nodes"}', "node")
