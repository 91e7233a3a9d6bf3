"""Regular expressions of dashboards."""

import re

import pytest

from reports.dashboards import regex
from tests.reports.dashboards.boards import Table, dashboard, drawn, only, panel, target


def test_expressions_are_read_as_javascript_writes_them() -> None:
    """Flags, named groups; a bare one is whole where Grafana takes it so."""
    assert regex.compiled("/^(?<value>N)/i", whole=True).search("node")["value"] == "n"  # type: ignore[index]
    assert regex.compiled("b", whole=True).search("abc") is None
    assert regex.compiled("b", whole=False).search("abc")


@pytest.mark.parametrize(
    ("written", "slow"),
    [
        ("/^(a+)+$/", True), ("(x*)*y", True), (r"(\d+|b)*", True), (r"(\\+)+", True), ("(a{1,}b){2,}", True),
        ("((a{2,}))", False), ("/.*(read|write)+.*/", False), (r"/^(\+)+/", False), ("(?:a.+b)?", False),
        ("(foo)+", False), ("[+*]+", False), (r'/.*instance="([^"]+):\d+".*/', False),
    ],
)  # fmt: skip
def test_expressions_that_may_take_for_ever_are_refused(written: str, slow: bool) -> None:
    """A repetition of what holds one; others are read."""
    assert regex.slow(written) is slow
    if slow:
        with pytest.raises(re.error, match="for ever"):
            regex.compiled(written, whole=True)


def test_slow_overrides_are_named() -> None:
    """The panel is drawn without them, and says so."""
    unit = [{"id": "unit", "value": "s"}]
    overrides = [{"matcher": {"id": "byRegexp", "options": "/^(a+)+$/"}, "properties": unit}]
    table = Table({"up": [({"job": "a" * 40 + "!"}, [1.0])]}, ["up"])
    found = drawn(dashboard(panel("timeseries", target("up", legendFormat="{{job}}"), overrides=overrides)), table)
    assert "u" not in only(found)["fields"][0]
    assert found.outcomes[0].notes == (
        "the override for /^(a+)+$/ is not applied: that regular expression is not read here",
    )
