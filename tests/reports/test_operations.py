"""Requests of several kinds are told apart."""

import numpy as np
import pytest

from reports import operations, summary, verdict
from tests.reports import recording as made
from tests.reports.test_html import Page, render

EF = {"ef_search=100": (0.04, 0.99), "ef_search=20": (0.01, 0.8), "ef_search=3": (0.002, 0.3)}


def swept() -> list[made.Row]:
    """Make the requests of a clean run, whose operations take times and have recalls of their own."""
    rows, names = made.steady_rows(rate=40.0), list(EF)
    rng = np.random.default_rng(5)
    for index, one in enumerate(rows):
        took, recall = EF[names[index % 3]]
        done = one["intended"] + took * float(rng.uniform(0.9, 1.1))
        one |= {"operation": names[index % 3], "recall": recall, "done": done}
    return rows


def test_each_operation_has_its_own_figures() -> None:
    """Times, failures and recall are those of the operation; counts and rates add up to those of the whole."""
    rows = swept()
    [bad] = [number for number, one in enumerate(rows) if one["operation"] == "ef_search=3"][-1:]
    rows[bad] |= {"ok": False, "error": "wrong_answer"}
    found = made.evidence(rows, phases=(made.WARMUP, made.span("steady", 5.0, 30.0, rate=40.0, arrival="poisson")))
    facts = summary.summarise(found, verdict.judge(found))
    parts = facts["operations"]
    assert list(parts) == ["ef_search=3", "ef_search=20", "ef_search=100"]
    for name, (took, recall) in EF.items():
        assert abs(parts[name]["latency_seconds"]["p50"]["value"] / took - 1) < 0.05
        assert abs(parts[name]["recall_mean"] - recall) < 1e-6
    assert parts["ef_search=3"]["errors"] == {"wrong_answer": 1}
    assert parts["ef_search=20"]["errors"] == {}
    for figure in ("requests", "succeeded", "completed_per_second", "in_system_mean"):
        assert abs(sum(part[figure] for part in parts.values()) - facts["measured"][figure]) < 1e-9


def test_objectives_may_name_an_operation() -> None:
    """Those of a value of a sweep are judged by its requests alone; one that nobody asked for cannot be judged."""
    found = made.evidence(
        swept(),
        phases=(made.WARMUP, made.span("steady", 5.0, 30.0, rate=40.0, arrival="poisson")),
        objectives={"latency_p50@ef_search=20": 0.012, "recall@ef_search=100": 0.95, "recall": 0.95, "rate@other": 1.0},
    )
    limits = {one["name"]: one for one in summary.summarise(found, verdict.judge(found))["objectives"]}
    assert [limits[name]["state"] for name in limits] == ["met", "met", "missed", "not judged"]
    assert limits["latency_p50@ef_search=20"]["value"] == pytest.approx(0.01, rel=0.05)
    assert "operation other" in limits["rate@other"]["reason"]


def test_requests_without_an_operation_are_the_others() -> None:
    """They stand last, under a name of their own."""
    rows = [one | {"operation": "get" if index % 3 else None} for index, one in enumerate(made.steady_rows())]
    found = operations.windows(made.evidence(rows))
    assert list(found) == ["get", operations.OTHERS]
    assert sum(window.count for window in found.values()) == made.evidence(rows).measured.count


def test_one_operation_is_no_table() -> None:
    """Where all requests are of a kind, the figures of the whole are its own."""
    rows = [one | {"operation": "get"} for one in made.steady_rows()]
    assert operations.windows(made.evidence(rows)) == {}
    assert operations.windows(made.evidence()) == {}
    assert operations.windows(made.evidence([])) == {}


def test_the_page_has_the_table() -> None:
    """A row an operation; a percentile that too few samples stand for is a dash."""
    rows = swept()
    words = [text.strip() for text in Page(render(made.evidence(rows))).words if text.strip()]
    begin = words.index("By operation")
    heads = words[begin + 1 : begin + 10]
    assert heads == [
        *("operation", "requests", "failed", "completed", "recall, mean", "latency p50", "p90", "p99", "failures")
    ]
    row = words[begin + 10 : begin + 19]
    assert row[0] == "ef_search=3"
    assert row[4] == "30 %"
    assert row[7] == "-" or row[7].endswith("ms")
    assert row[8] == "none"
    assert "By operation" not in render(made.evidence(made.steady_rows()))


def test_the_headline_tells_operations_apart() -> None:
    """Times and recall of the terminal and of comparisons are those of each operation; rates are those of the whole."""
    found = made.evidence(swept(), phases=(made.WARMUP, made.span("steady", 5.0, 30.0, rate=40.0, arrival="poisson")))
    rows = {one["label"]: one for one in summary.summarise(found, verdict.judge(found))["headline"]}
    assert "latency p50" not in rows
    assert "recall, mean" not in rows
    assert {"completed", "failed"} <= set(rows)
    for name, (took, recall) in EF.items():
        assert rows[f"latency p50, {name}"]["value"] == pytest.approx(took, rel=0.05)
        assert rows[f"recall, mean, {name}"]["value"] == pytest.approx(recall)
        assert rows[f"latency p50, {name}"]["operation"] == name
    words = "".join(Page(render(found)).words)
    assert "latency p50, ef_search=20" not in words  # the page has a table of them
