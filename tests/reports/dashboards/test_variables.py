"""Which values variables have."""

from typing import Any

from reports.dashboards import parse, variables
from reports.dashboards.ask import Asker
from reports.dashboards.variables import Told, names_variable
from tests.reports.dashboards.boards import SPAN, Table, dashboard

UP = "group by (node) (last_over_time(up[60s]))"
NODES = {UP: [({"node": "n2"}, [1.0]), ({"node": "n1"}, [1.0])]}


def resolved(*declared: dict[str, Any], table: Table | None = None) -> dict[str, Told]:
    """Resolve variables."""
    found = parse.parse(dashboard(variables=declared)).variables
    asker = Asker(table or Table(NODES, ["up"]), SPAN)
    return {one.name: one for one in variables.resolve(found, asker, {"__range": "60s"})}


def query(name: str, text: Any, **more: Any) -> dict[str, Any]:
    """Make a query variable."""
    return {"type": "query", "name": name, "query": text, **more}


def test_label_values_are_those_of_the_whole_time() -> None:
    """As a text and as an object; what was chosen holds where the recording has it."""
    found = resolved(
        query("plain", "label_values(up, node)", current={"value": "n2"}),
        query("foreign", {"query": "label_values(up, node)", "refId": "x"}, current={"value": "elsewhere"}),
    )
    assert found["plain"].chosen.values == ("n2",)
    assert found["foreign"].chosen.values == ("n1",)


def test_all_is_all_that_there_is() -> None:
    """With an own word for it, or as a list of the values."""
    every = {"value": ["$__all"]}
    found = resolved(
        query("a", "label_values(up, node)", multi=True, includeAll=True, current=every),
        query("b", "label_values(up, node)", multi=True, includeAll=True, allValue=".+", current=every),
        query("c", "label_values(up, node)", multi=True, current={"value": ["gone"]}),
    )
    assert found["a"].chosen.values == ("n1", "n2")
    assert found["b"].chosen.instead == ".+"
    assert found["c"].chosen.values == ("n1", "n2")


def test_regex_picks_and_cuts() -> None:
    """The group `value`, or the first group; what does not match is no value."""
    found = resolved(
        query("cut", "label_values(up, node)", regex="/n(\\d)/", includeAll=True),
        query("named", "label_values(up, node)", regex="/(?<value>n2)/"),
    )
    assert found["cut"].chosen.values == ("1", "2")
    assert found["named"].chosen.values == ("n2",)


def test_variables_use_each_other_in_any_order() -> None:
    """A variable may name one that is declared after it; a circle is none."""
    chained = 'group by (job) (last_over_time(up{node="n1"}[60s]))'
    table = Table({**NODES, chained: [({"job": "llm"}, [1.0])]}, ["up"])
    found = resolved(
        query("job", 'label_values(up{node="$node"}, job)'), query("node", "label_values(up, node)"), table=table
    )
    assert found["job"].chosen.values == ("llm",)
    looped = resolved(query("a", "label_values(up{x='$b'}, node)"), query("b", "label_values(up{x='$a'}, node)"))
    assert set(looped) == {"a", "b"}


def test_other_kinds() -> None:
    """Custom lists, constants, intervals with `auto`, text boxes, data sources."""
    found = resolved(
        {"type": "custom", "name": "custom", "query": "one : 1,two : 2", "current": {"value": "2"}},
        {"type": "constant", "name": "constant", "query": "c"},
        {"type": "interval", "name": "i", "query": "1m,5m", "auto": True, "auto_count": 6, "auto_min": "1s",
         "current": {"value": "$__auto_interval_i"}},
        {"type": "interval", "name": "j", "query": "1m,5m", "current": {"value": "5m"}},
        {"type": "datasource", "name": "ds", "query": "prometheus"},
        {"type": "adhoc", "name": "Filters"},
    )  # fmt: skip
    assert [found[name].chosen.values for name in ("custom", "constant", "i", "j", "ds")] == [
        ("2",), ("c",), ("10s",), ("5m",), ("run-prometheus",),
    ]  # fmt: skip
    assert "adhoc" in found["Filters"].trouble


def test_variables_are_seen() -> None:
    """In all three ways to write them, and not in longer names."""
    assert all(names_variable(text, "node") for text in ('{n="$node"}', "${node:regex}", "[[node]]"))
    assert not names_variable('{n="$nodes"}', "node")
