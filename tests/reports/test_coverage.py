"""The coverage table: few rows for many sources, troubles first."""

import pytest

from reports import coverage
from reports.presence import Presence
from reports.sources import Ages, Source, State
from tests.reports import sidecars

GOOD = ("cgroup", "process", "otlp")


def cluster(nodes: int) -> list[Source]:
    """Make nodes of which each has eight sources and nothing to tell."""
    return [
        source
        for index in range(nodes)
        for source in (
            *(sidecars.source(name, f"n{index}") for name in GOOD),
            sidecars.source("gpu", f"n{index}", reason="no GPU", measured=Presence(0, 30, 1.0, 1, 30.0)),
            sidecars.source("lustre", f"n{index}", reason="no Lustre client", measured=Presence(0, 30, 1.0, 1, 30.0)),
            *(sidecars.source(name, f"n{index}", "node") for name in ("cpu", "stat", "vmstat")),
        )
    ]


def states(sources: list[Source]) -> list[State]:
    """Return the states of the rows."""
    return [row.state for row in coverage.rows(sources)]


@pytest.mark.parametrize("nodes", [1, 4, 100])
def test_nodes_that_are_alike_share_a_row(nodes: int) -> None:
    """Eight sources a node make four rows, however many nodes there are."""
    rows = coverage.rows(cluster(nodes))
    assert [(row.state, row.job, row.collectors, len(row.nodes)) for row in rows] == [
        ("ok", "exporter", GOOD, nodes),
        ("ok", "node", ("cpu", "stat", "vmstat"), nodes),
        ("nothing to read", "exporter", ("gpu",), nodes),
        ("nothing to read", "exporter", ("lustre",), nodes),
    ]
    assert coverage.totals(cluster(nodes)) == f"{8 * nodes} sources: {6 * nodes} ok, {2 * nodes} with nothing to read"


def test_troubles_come_first() -> None:
    """Down, then degraded, then ok, then what there was nothing to read of."""
    sources = cluster(2)
    sources.insert(3, sidecars.source("page llm", losses=("refused",)))
    sources.append(sidecars.source("bgwriter", "n1", "pg", measured=Presence(0, 30, 1.0, 1, 30.0)))
    assert states(sources) == ["down", "degraded", "ok", "ok", "nothing to read", "nothing to read"]
    assert coverage.totals(sources).startswith("18 sources: 1 down, 1 degraded, 12 ok")


def test_no_row_says_what_does_not_hold() -> None:
    """A row is each of its collectors on each of its nodes: a node that lacks one has a row of its own."""
    sources = [
        *(sidecars.source(name, "n0") for name in GOOD),
        *(sidecars.source(name, "n1") for name in GOOD[:2]),
        sidecars.source(GOOD[2], "n1", faults=("failed",)),
    ]
    told = {
        (collector, node, row.state)
        for row in coverage.rows(sources)
        for collector in row.collectors
        for node in row.nodes
    }
    assert told == {(source.collector, source.target.node, source.state) for source in sources}


def test_figures_of_a_row_are_the_worst() -> None:
    """The lowest share, the most gaps, the longest gap with its end, the oldest values."""
    sources = [
        sidecars.source("gpu", "n0", ages=Ages(0.5, 1.0)),
        sidecars.source("gpu", "n1", measured=Presence(29, 30, 1.0, 1, 2.0, 17.0), ages=Ages(0.4, 2.0)),
        sidecars.source("gpu", "n2", whole=Presence(39, 40, 1.0)),
    ]
    (row,) = coverage.rows(sources)
    assert (row.measured, row.whole) == (pytest.approx(29 / 30), pytest.approx(39 / 40))
    assert (row.gaps, row.longest, row.ended) == (1, 2.0, 17.0)
    assert row.ages == Ages(0.5, 2.0)


def test_target_itself_has_no_collector() -> None:
    """A service stands in the table by its name."""
    (row,) = coverage.rows([sidecars.source("", job="llm")])
    assert (row.job, row.collectors, row.lines) == ("llm", (), ())


def test_nothing_planned_is_no_table() -> None:
    """No target, no row."""
    assert coverage.rows([]) == []
    assert coverage.totals([]) == "no source"
