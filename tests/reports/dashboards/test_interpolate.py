"""Variables in texts."""

import pytest

from reports.dashboards.interpolate import Chosen, Scope

SCOPE = Scope(
    {
        "one": Chosen(("a.b",)),
        "some": Chosen(("a.b", 'c"d|e'), several=True),
        "single": Chosen(("a.b",), several=True),
        "all": Chosen(("x", "y"), several=True, instead=".*"),
    },
    {"__interval": "5s"},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{n="$one"}', '{n="a.b"}'),
        ('{n=~"$some"}', '{n=~"(a\\\\.b|c\\"d\\\\|e)"}'),
        ('{n=~"${some:regex}"}', '{n=~"(a\\\\.b|c\\"d\\\\|e)"}'),
        ('{n=~"$single"}', '{n=~"a\\\\.b"}'),
        ('{n=~"[[single]]"}', '{n=~"a\\\\.b"}'),
        ('{n=~"$all"}', '{n=~".*"}'),
        ('{n=~"${all:pipe}"}', '{n=~".*"}'),
        ("rate(x[$__interval])", "rate(x[5s])"),
        ("rate(x[${__interval}])", "rate(x[5s])"),
        ("${one:raw} ${some:csv}", 'a.b a.b,c"d|e'),
        ("${some:json}", '["a.b", "c\\"d|e"]'),
        ("$unknown ${unknown:x}", "$unknown ${unknown:x}"),
    ],
)
def test_queries_are_filled(text: str, expected: str) -> None:
    """Several values become a regular expression that PromQL reads; what is not known stays."""
    assert SCOPE.query(text) == expected


def test_equality_with_several_values_matches_any() -> None:
    """`="$x"` would match no series where a page shows all values of x; a single value is left as it is."""
    scope = Scope(
        {"m": Chosen(("a", "b"), several=True), "one": Chosen(("a",), several=True), "all": Chosen((), True, ".*")}
    )
    for written, expected, names in (
        ('up{job="$m"}', 'up{job=~"$m"}', ["m"]),
        ('up{job!="${m}", n="[[m]]"}', 'up{job!~"${m}", n=~"[[m]]"}', ["m"]),
        ('up{job="$all"}', 'up{job=~"$all"}', ["all"]),
        ('up{job="$one", a="$m:9", b=~"$m"} == "x"', 'up{job="$one", a="$m:9", b=~"$m"} == "x"', []),
    ):
        assert scope.regular(written) == (expected, names)


def test_titles_are_for_readers() -> None:
    """A title has the values, not a regular expression; a repeat has one."""
    assert SCOPE.words("Node $some and $all") == 'Node a.b + c"d|e and x + y'
    assert SCOPE.with_one("all", "x").query('{n=~"$all"} $all') == '{n=~"x"} x'
