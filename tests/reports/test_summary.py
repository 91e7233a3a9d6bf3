"""summary.json: stable names, base units, nothing that cannot stand in JSON."""

import json

import pytest

from reports import summary, verdict
from reports.presence import Presence
from reports.sources import Ages
from tests.reports import recording as made
from tests.reports import sidecars


def summarise(rows: list[made.Row], **changes: object) -> dict[str, object]:
    """Summarise a run, through JSON."""
    found = made.evidence(rows, **changes)
    facts = summary.summarise(found, verdict.judge(found))
    loaded: dict[str, object] = json.loads(json.dumps(facts, allow_nan=False))
    assert loaded == facts
    return loaded


def labels(facts: dict[str, object]) -> list[str]:
    """Return the labels of the headline."""
    rows = facts["headline"]
    assert isinstance(rows, list)
    return [row["label"] for row in rows]


def test_names_are_stable() -> None:
    """Machines find what they found before."""
    facts = summarise(made.llm_rows(), objectives={"ttft_p95": 0.5})
    assert list(facts) == [
        *("schema_version", "id", "recipe", "generator", "ending", "reason", "valid", "findings", "unchecked"),
        *(
            "notes",
            "headline",
            "measured",
            "operations",
            "phases",
            "search",
            "objectives",
            "coverage",
            "sources",
            "timings_seconds",
        ),
    ]
    measured = facts["measured"]
    assert isinstance(measured, dict)
    assert list(measured) == [
        *("seconds", "requests", "succeeded", "failed", "failed_ratio", "errors", "retries", "intended_per_second"),
        *("sent_per_second", "completed_per_second", "in_system_mean", "input_tokens_per_second"),
        *("output_tokens_per_second", "received_bytes_per_second", "recall_mean", "latency_seconds", "service_seconds"),
        *("ttft_seconds", "itl_seconds", "tpot_seconds", "lag_seconds"),
    ]
    assert list(measured["ttft_seconds"]) == ["n", "mean", "max", "p50", "p90", "p95", "p99"]
    assert set(measured["ttft_seconds"]["p99"]) == {"value", "low", "high"}
    assert facts["objectives"] == [
        {"name": "ttft_p95", "bound": 0.5, "value": measured["ttft_seconds"]["p95"]["value"], "unit": "s"}
        | {"state": "met", "reason": ""}
    ]


def test_sources_have_stable_names() -> None:
    """A figure that there cannot be is null; what there was nothing to read of has no gap."""
    nothing = sidecars.source("lustre", reason="no Lustre", measured=Presence(0, 30, 1.0, 1, 30.0, 1.0))
    gpu = sidecars.source("gpu", losses=("refused: power_watts",), ages=Ages(0.50049, 1.25), silence=0.1)
    rows = summarise([], sources=(gpu, nothing))["sources"]
    assert isinstance(rows, list)
    assert rows[0] == {
        "job": "exporter", "role": "sidecar", "node": "n0", "instance": "n0:8", "collector": "gpu",
        "state": "degraded", "reason": "", "faults": [], "losses": ["refused: power_watts"], "notes": [],
        "up_ratio": 1.0, "scrapes_up": 30, "scrapes_expected": 30, "gaps": 0, "gap_seconds": 1.0,
        "gap_ended": "2026-03-01T12:00:06+00:00", "run_up_ratio": 1.0, "run_gaps": 0, "run_gap_seconds": 1.0,
        "silent_seconds": 0.1, "age_p50_seconds": 0.5, "age_max_seconds": 1.25, "timeouts": None, "errors": None,
        "parse_errors": None,
    }  # fmt: skip
    assert list(rows[1]) == list(rows[0])
    assert (rows[1]["state"], rows[1]["up_ratio"], rows[1]["gap_seconds"]) == ("nothing to read", None, None)


def test_headline_tells_what_the_load_was_about() -> None:
    """Tokens for a model, recall for retrieval, latency for all."""
    llm = labels(summarise(made.llm_rows()))
    assert llm[:2] == ["completed", "time to first token p50"]
    assert {"inter-token gap p99", "latency p99", "tokens in", "tokens out", "failed"} <= set(llm)
    found = labels(summarise([one | {"recall": 0.97} for one in made.steady_rows()]))
    assert found == ["completed", "latency p50", "latency p95", "latency p99", "recall, mean", "failed"]


def test_percentile_of_few_samples_is_left_out() -> None:
    """150 requests have no p99, neither in the headline nor in the figures."""
    phase = made.span("steady", 5.0, 30.0, rate=5.0, arrival="poisson")
    facts = summarise(made.steady_rows(rate=5.0), phases=(made.WARMUP, phase))
    measured = facts["measured"]
    assert isinstance(measured, dict)
    assert list(measured["latency_seconds"]) == ["n", "mean", "max", "p50", "p90", "p95"]
    assert "latency p99" not in labels(facts)


@pytest.mark.parametrize("phases", [(), (made.WARMUP, made.STEADY)])
def test_nothing_measured_is_no_figure(phases: tuple[made.PhaseSpan, ...]) -> None:
    """Without a request there is no headline, and no number that is not one."""
    facts = summarise([], phases=phases)
    assert facts["headline"] == []
    assert facts["valid"] is False


def test_headline_of_a_tool_without_requests() -> None:
    """Figures of fio are told with their units; a p99 of too few operations is not, what was dropped is."""
    figures = {"phase": "steady", "target": "tmpfs", "operation": "read", "time": "clat", "seconds": 30.0, "failed": 0}
    many = figures | {"count": 600, "bytes": 600 * 4096, "percentiles": {"0.5": 0.001, "0.99": 0.005}}
    few = figures | {"count": 60, "operation": "write", "percentiles": {"0.5": 0.001, "0.99": 0.005}}
    result = {"aggregates": [many, few], "phases": [{"name": "steady", "dropped": 3}]}
    facts = summarise([], load_result=result)
    assert labels(facts) == [
        "dropped", "read, tmpfs: rate", "read, tmpfs: bandwidth", "read, tmpfs: p50", "read, tmpfs: p99",
        "write, tmpfs: rate", "write, tmpfs: p50",
    ]  # fmt: skip
    rows = facts["headline"]
    assert isinstance(rows, list)
    assert [(row["value"], row["unit"]) for row in rows[:4]] == [
        (3.0, "requests"), (20.0, "ops/s"), (81920.0, "bytes/s"), (0.001, "s"),
    ]  # fmt: skip
