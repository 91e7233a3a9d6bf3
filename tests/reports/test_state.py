"""The rule about what the load left behind."""

from reports.state import state_kept
from reports.verdict import RULES, judge
from tests.reports import recording as made


def test_a_state_that_does_not_add_up_is_invalid() -> None:
    """What the load found wrong at its end makes the run INVALID, in the load's own words."""
    found = judge(made.evidence(load_result={"violation": "invariant: accounts 5, tellers 4"}))
    assert not found.valid
    assert [finding.rule for finding in found.findings] == ["state_kept"]
    assert "accounts 5, tellers 4" in found.findings[0].message
    assert state_kept in RULES


def test_a_state_that_adds_up_is_not_spoken_of() -> None:
    """Nothing is found where nothing was wrong, or nothing was looked at."""
    for result in ({}, {"violation": None}, {"violation": 7}):
        assert judge(made.evidence(load_result=result)).valid
