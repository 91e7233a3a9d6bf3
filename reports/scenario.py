"""MLPerf scenarios: the figure that each is told by, and whether the run was as the rules ask.

Source: MLPerf inference rules as in mlcommons-loadgen's mlperf.conf (`runs.scenario`). The figures are from our own
records; what LoadGen says of itself, where it scheduled, stands in load/mlperf/ and in a finding `tool_told`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from reports.evidence import Evidence
from reports.honesty import finding
from reports.requests import Requests
from reports.statistics import Floats, quantile
from reports.words import count, display
from runs.manifest import Finding
from runs.scenario import Scenario


def query_latencies(requests: Requests) -> Floats:
    """Return the latency of each query in seconds: until the last of the samples that were sent at once is done.

    A query of which a sample failed has none.
    """
    if not len(requests):
        return np.empty(0)
    moments, group = np.unique(requests.moments["intended"], return_inverse=True)
    last, good = np.zeros(len(moments), dtype=np.int64), np.ones(len(moments), dtype=np.bool_)
    np.maximum.at(last, group.ravel(), requests.moments["done"])
    np.logical_and.at(good, group.ravel(), requests.ok)
    return np.asarray((last - moments)[good] / 1e9, dtype=np.float64)


def queries(scenario: Scenario, requests: Requests) -> int:
    """Return how many queries (offline: samples) were made."""
    return len(np.unique(requests.moments["intended"])) if scenario.kind == "multi-stream" else len(requests)


def headline(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """Yield the scenario's own figure, marked where the run was short."""
    scenario, requests = evidence.recipe.load.scenario, evidence.measured.requests
    if scenario is None or not len(requests):
        return
    by = "MLPerf LoadGen" if "mlperf" in evidence.notes else "dashcam"
    mark = f"{'short mode, not conforming; ' if scenario.short else ''}scheduled by {by}"
    if scenario.kind == "offline":
        done = requests.good.at("done")
        spent = float(done.max() - requests.at("intended").min()) if len(done) else 0.0
        yield _row("MLPerf Offline", len(done) / spent if spent else None, "samples/s", mark)
    elif scenario.kind == "server":
        within = f"p99 against its bound: see objectives; {mark}"
        yield _row("MLPerf Server: scheduled", evidence.measured.offered_rate, "queries/s", within)
    elif scenario.kind == "multi-stream":
        found = quantile(query_latencies(requests), 0.99)
        yield _row("MLPerf MultiStream: p99 of a query", found.value if found else None, "s", f"8 samples; {mark}")
    else:
        found = evidence.measured.quantile("latency", 0.9)
        yield _row("MLPerf SingleStream: p90", found.value if found else None, "s", mark)


def _row(label: str, value: float | None, unit: str, detail: str) -> dict[str, Any]:
    text = f"{display(value, unit)} ({detail})"
    return {"label": label, "value": value, "unit": unit, "detail": detail, "text": text}


def scenario_kept(evidence: Evidence) -> Iterator[Finding]:
    """Expect of a scenario the duration and the queries that it was to have; a short one says that it does not conform.

    (MLPerf inference rules: 600 s, 662 queries of MultiStream, all samples of Offline.)
    """
    scenario, window = evidence.recipe.load.scenario, evidence.measured
    if scenario is None:
        return
    made = queries(scenario, window.requests)
    facts = {
        "scenario": scenario.kind, "seconds": round(window.seconds, 3), "queries": made,
        "needed_seconds": scenario.seconds, "needed_queries": scenario.count,
    }  # fmt: skip
    noun = "sample" if scenario.kind == "offline" else "query"
    made_of = f"{count(made, noun, 'queries' if noun == 'query' else '')} in {display(window.seconds, 's')}"
    if scenario.short:
        text = f"short mode: {made_of}, where MLPerf's rules ask for 600 s and {scenario.least:,}: not conforming"
        yield finding("scenario_kept", "warning", text, **facts)
    if made < scenario.count:
        text = f"{made_of}, and {scenario.kind} was to have {scenario.count:,}: give it a longer duration"
        yield finding("scenario_kept", "invalid", text, **facts)
    # 0.1 % for the last interval of a phase; LoadGen ends a run with its last query.
    if scenario.kind != "offline" and window.seconds < 0.999 * scenario.seconds:
        text = f"{made_of}, and {scenario.kind} was to last {display(scenario.seconds, 's')}"
        yield finding("scenario_kept", "invalid", text, **facts)
    if scenario.kind == "offline" and not scenario.short and window.seconds < scenario.seconds:
        text = (
            f"{made_of}, and the rules ask for 600 s: expect a higher rate than {display(scenario.rate, 'samples/s')}"
        )
        yield finding("scenario_kept", "invalid", text, **facts)
