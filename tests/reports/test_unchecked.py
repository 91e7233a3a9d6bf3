"""Rules of the verdict that had nothing to look at are told, with what was missing."""

from typing import Any

import pytest

from reports import verdict
from reports.nodes import Machine
from reports.servers import Count, NodeClock, Servers
from reports.unchecked import LOOKS, unchecked
from tests.reports import recording as made

NODES = sorted({target.node for target in made.TARGETS})
CLOCKS = tuple(NodeClock(node, 0.0, 0.0) for node in NODES)


def count(job: str = "llm", unit: Any = "requests") -> Count:
    """Make what the service counted."""
    return Count("made:up_total", unit, job, len(made.steady_rows()))


WHOLE: dict[str, Any] = {
    "servers": Servers(counts=(count(),), clocks=CLOCKS),
    "machines": tuple(Machine(node, 2, 0.5, 0.5, 0.0, 0.0) for node in NODES),
    "alerts": (),
    "load_result": {"phases": [{"name": "steady", "cpu_seconds": 2.0}]},
}


def missing(rows: list[made.Row] | None = None, **changes: Any) -> dict[str, str]:
    """Return what was missing in a run that has all but the changes, by the first rule of each group."""
    return {one.rules[0]: one.reason for one in unchecked(made.evidence(rows, **(WHOLE | changes)))}


def failed() -> list[made.Row]:
    """Make requests of which one failed."""
    first, *others = made.steady_rows()
    return [first | {"ok": False, "error": "http_500"}, *others]


def test_what_is_named_are_rules() -> None:
    """Each name is that of a rule of the verdict, in one group alone."""
    names = [name for rules in LOOKS for name in rules]
    assert len(names) == len(set(names))
    assert set(names) <= {rule.__name__ for rule in verdict.RULES}


def test_a_run_that_was_seen_wholly() -> None:
    """Nothing is missing."""
    assert missing() == {}


@pytest.mark.parametrize(
    ("changes", "rule", "reason"),
    [
        ({"servers": Servers(clocks=CLOCKS)}, "counts_agree", "llm: no counter of what it answered is known"),
        (
            {"rows": failed(), "servers": Servers(counts=(count(unit="tokens"),), clocks=CLOCKS)},
            "counts_agree",
            "llm: requests failed, or told no tokens",
        ),
        ({"ending": "cancelled"}, "counts_agree", "did not come to its planned end"),
        ({"machines": ()}, "alone", "node_exporter or the sidecar process told nothing"),
        ({"alerts": None}, "machines_well", "no rules were evaluated"),
        ({"load_result": {}}, "client_cpu", "the load did not tell its CPU time"),
        ({"targets": [one for one in made.TARGETS if one.role != "service"]}, "targets_up", "llm: no page of metrics"),
        ({"rows": made.steady_rows(rate=2.0)}, "warmed_up", "phase steady: fewer than 10 good answers in a tenth"),
    ],
)
def test_what_was_missing_is_told(changes: dict[str, Any], rule: str, reason: str) -> None:
    """Each lack is told once, with the rules that it concerns."""
    found = missing(**changes)
    assert set(found) == {rule}
    assert reason in found[rule]


def test_a_phase_too_short_to_be_frozen_in() -> None:
    """Ten scrapes are needed to say that nothing moves."""
    phases = (made.span("steady", 5.0, 6.0, rate=20.0),)
    rows = [one for one in made.steady_rows() if one["phase"] == "steady" and one["intended"] < 11.0]
    assert "no measured phase holds 10 scrapes (one each 1 s)" in missing(rows, phases=phases)["not_frozen"]


def test_clocks_of_one_node_need_no_check() -> None:
    """A single node has one clock; of several, those that nobody saw are named."""
    alone = [one for one in made.TARGETS if one.node == "n0"]
    found = Servers(counts=(count(),))
    assert "clocks_agree" not in missing(servers=found, targets=alone)
    spread = [*made.TARGETS[1:], made.TARGETS[0].model_copy(update={"node": "n7"})]
    assert "n7" in missing(servers=found, targets=spread)["clocks_agree"]


def test_a_tool_that_keeps_no_requests() -> None:
    """What is about single requests cannot be told of figures alone; of nothing at all, nothing is told."""
    figures = {"phase": "steady", "target": "tmpfs", "operation": "read", "count": 600, "failed": 0, "seconds": 30.0}
    found = missing([], load_result={**WHOLE["load_result"], "aggregates": [figures]})
    assert "keeps no record of each request" in found["client_lag"]
    assert missing([]) == {}
