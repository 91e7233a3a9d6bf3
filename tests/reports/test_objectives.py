"""Objectives: known names, and how they are judged."""

import pytest

from reports import objectives
from tests.reports import recording as made


@pytest.mark.parametrize(
    "name",
    [
        "ttft_p99",
        "latency_p99.9",
        "itl_p50",
        "tpot_p95",
        "service_p90",
        "error_rate",
        "rate",
        "tokens_rate",
        "recall",
        "recall_at_10",
        "recall_at_100",
    ],
)
def test_known_names_are_known(name: str) -> None:
    """What the report can judge is known."""
    assert objectives.check(name) is None


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("tfft_p99", "ttft_p99"),
        ("latency-p95", "latency_p95"),
        ("eror_rate", "error_rate"),
        ("recall_at_0", "recall_at_10"),
    ],
)
def test_unknown_name_gets_the_nearest(name: str, nearest: str) -> None:
    """A slip of the pen is answered with what was meant."""
    assert objectives.check(name) == nearest


def judge(bounds: dict[str, float], rows: list[made.Row] | None = None, **options: int) -> dict[str, str]:
    """Judge bounds on a run."""
    found = objectives.judge(bounds, made.evidence(rows).measured, options)
    return {item.name: item.state for item in found}


def test_bounds_are_met_or_missed_by_their_direction() -> None:
    """Times and errors are bounded from above, rates and recall from below."""
    bounds = {"latency_p95": 0.2, "latency_p99": 0.001, "error_rate": 0.0, "rate": 10.0, "tokens_rate": 1e9}
    states = judge(bounds, made.llm_rows())
    assert list(states.values()) == ["met", "missed", "met", "met", "missed"]


def test_recall_is_judged_at_the_k_that_was_asked_for() -> None:
    """recall_at_10 of a load that asked for 5 neighbours is not judged."""
    rows = [one | {"recall": 0.9} for one in made.steady_rows()]
    assert judge({"recall_at_10": 0.95}, rows, k=10) == {"recall_at_10": "missed"}
    assert judge({"recall_at_10": 0.85}, rows) == {"recall_at_10": "met"}
    assert judge({"recall_at_10": 0.85}, rows, k=5) == {"recall_at_10": "not judged"}
    assert judge({"recall": 0.85}, rows, k=5) == {"recall": "met"}


def test_what_cannot_be_judged_says_why() -> None:
    """Too few samples, nothing measured, or a name of a newer recipe."""
    found = objectives.judge(
        {"latency_p99.9": 1.0, "ttft_p50": 1.0, "recall": 0.9, "huh": 1.0}, made.evidence().measured, {}
    )
    assert {item.state for item in found} == {"not judged"}
    assert "3688 are needed" in found[0].reason
    assert found[1].reason == "0 samples are too few, 6 are needed"
    assert found[2].reason == "nothing was measured for it"


@pytest.mark.parametrize("name", ["", "latency_p0", "latency_p100", "recall_at_", "p99", "tokens_rate_p50"])
def test_nearest_name_is_always_a_known_one(name: str) -> None:
    """However wrong the name, the answer to it is one that works."""
    assert objectives.check(objectives.check(name) or "") is None
