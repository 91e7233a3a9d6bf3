"""Each real service of the catalogue end to end: its ready recipe, run by `dashcam run`, and the recording read."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
import requests

from tests.heavy.recording import RECIPES, Recording, Row, recorded

pytestmark = [pytest.mark.heavy, pytest.mark.timing]

ENDED, IN, OUT = None, "tokens_in", "tokens_out"
RATE = "service:request_rate"
TOKENS_IN, TOKENS_OUT = ('service:tokens_rate{direction="%s"}' % way for way in ("in", "out"))  # noqa: UP031 - braces
BYTES_IN, BYTES_OUT = ('service:bytes_rate{direction="%s"}' % way for way in ("in", "out"))  # noqa: UP031 - braces
EXACT = (0.95, 1.05)


def _nothing(_recording: Recording) -> None:
    """Most services have nothing of their own to look at."""


@dataclass(frozen=True)
class Case:
    """A ready recipe, and what is known of its recording.

    `rates`: a rule's series, the records' column that says the same (None: the requests), and the quotient's limits.
    `times`: a rule's mean that lies within the client's mean from sending to that moment. `others`: there beside.
    """

    recipe: str
    version: Callable[[Mapping[str, str]], str]
    rates: Mapping[str, tuple[str | None, tuple[float, float]]]
    times: Mapping[str, str] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    program: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    meanwhile: Callable[[str], None] | None = None
    look: Callable[[Recording], None] = _nothing

    @property
    def series(self) -> set[str]:
        """All of `service:*` that its rules make, no more and no less."""
        return {name.partition("{")[0] for name in (*self.rates, *self.times)} | self.others


def _of(name: str) -> Callable[[Mapping[str, str]], str]:
    return lambda versions: versions[name]


def _quantiles(name: str) -> set[str]:
    return {f"service:{name}_seconds:{each}" for each in ("p50", "p95", "p99")}


def strangers_get_no_page(url: str) -> None:
    """VLLM itself would answer some of these without a key."""
    body = {"model": "tiny-random", "prompt": "x", "max_tokens": 1}
    for path in ("/v1/completions", "/invocations", "/tokenize"):
        assert requests.post(url + path, json=body, timeout=10).status_code == 401
    for path in ("/metrics", "/v1/models", "/docs", "/version"):
        assert requests.get(url + path, timeout=10).status_code == 401


def vllm_counts_the_same(recording: Recording) -> None:
    """Each request and token of the client's records is in vLLM's own counters, and vendor noise is left out."""
    records = recording.records
    assert all(records["ok"])
    # The probe's request of one token came before the first scrape.
    assert recording.counted("vllm:request_success_total") == len(records)
    assert recording.counted("vllm:generation_tokens_total") == records[OUT].sum() == 32 * len(records)
    assert recording.counted("vllm:prompt_tokens_total") == records[IN].sum()
    assert recording.counted("vllm:num_preemptions_total") == 0
    names = recording.names("")
    assert not {name for name in names if name.endswith("_created") or name.startswith(("python_", "http_request_"))}
    gaps = np.concatenate(records.loc[records["phase"] == "steady", "gaps"].dropna().to_list())
    assert recording.mean("service:inter_token_seconds:mean") == pytest.approx(gaps.mean(), rel=0.2)


def chroma_tells_its_spans(recording: Recording) -> None:
    """The server's own spans of the searches are in the recording, recall is near the truth, and the risk is told."""
    spans = "".join(path.read_text() for path in recording.path.glob("traces/*.jsonl"))
    assert "/collections/{collection_id}/query" in spans
    assert recording.records["recall"].mean() > 0.95
    assert any("no authentication" in note for note in recording.manifest["notes"])


CASES = (
    Case(
        "demo",
        _of("llm (llama.cpp)"),
        rates={TOKENS_IN: (IN, EXACT), TOKENS_OUT: (OUT, EXACT)},
        others=frozenset({"service:inter_token_seconds:mean", "service:queue_depth", "service:running_requests"}),
    ),
    Case(
        "vllm",
        _of("llm (vLLM)"),
        rates={RATE: (ENDED, EXACT), TOKENS_IN: (IN, EXACT), TOKENS_OUT: (OUT, EXACT)},
        times={"service:latency_seconds:mean": "done", "service:ttft_seconds:mean": "first_token"},
        others=frozenset({
            *_quantiles("latency"), *_quantiles("ttft"), *_quantiles("inter_token"),
            "service:inter_token_seconds:mean", "service:error_ratio", "service:queue_depth",
            "service:running_requests", "service:saturation_ratio",
        }),
        program="vllm",
        meanwhile=strangers_get_no_page,
        look=vllm_counts_the_same,
    ),
    Case(
        "triton",
        _of("infer (Triton)"),
        rates={RATE: (ENDED, EXACT)},
        times={"service:latency_seconds:mean": "done"},
        others=frozenset({*_quantiles("latency"), "service:error_ratio", "service:queue_depth"}),
    ),
    Case(
        "chroma",
        _of("vectors"),
        rates={RATE: (ENDED, EXACT)},
        program="chroma",
        look=chroma_tells_its_spans,
    ),
    Case(
        "s3",
        _of("store (SeaweedFS)"),
        # Listings are answers of the client's too, but not traffic of a bucket.
        rates={RATE: (ENDED, EXACT), BYTES_IN: ("sent_bytes", (0.9, 1.1)), BYTES_OUT: ("received", (0.9, 1.1))},
        times={"service:latency_seconds:mean": "done"},
        others=frozenset({*_quantiles("latency"), "service:error_ratio", "service:running_requests"}),
    ),
    Case(
        "pgvector",
        _of("vectors (PostgreSQL)"),
        # A search is a transaction, and so are the exporter's own queries: about a dozen a second.
        rates={RATE: (ENDED, (1.0, 1.5))},
        times={"service:latency_seconds:mean": "done"},
        others=frozenset({"service:error_ratio", "service:running_requests", "service:saturation_ratio"}),
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.recipe)
def test_a_recipe_end_to_end(case, tmp_path, table):
    """VALID, sealed, no alert, no panel empty without a reason; the rules' series are there and agree with the load."""
    if case.program:
        assert shutil.which(case.program), f"no program `{case.program}` on PATH: run this by `make test-heavy`"
    with recorded(RECIPES / f"{case.recipe}.yaml", case.settings, tmp_path, case.meanwhile) as (recording, panels):
        table[case.recipe] = Row.of(case.recipe, case.version(recording.manifest["versions"]), recording, panels)
        summary = recording.summary
        assert summary["valid"], recording.said
        assert {limit["state"] for limit in summary["objectives"]} == {"met"}, summary["objectives"]
        assert summary["alerts"] == []
        assert all(panel["reason"] for panel in panels if panel["empty"])
        drawn = [each for board in summary["dashboards"] for each in board["empty"]]
        assert all(each["reason"] for each in drawn)
        assert not [each for board in summary["dashboards"] for each in board["undrawable"]]
        # The same panels have data in Grafana and in the report, which draws without it.
        assert sorted(each["panel"] for each in drawn) == sorted(each["panel"] for each in panels if each["empty"])
        assert recording.names("service:") == case.series
        for series, (column, (low, high)) in case.rates.items():
            assert low <= recording.mean(series) / recording.sent_rate(column) <= high, series
        for series, until in case.times.items():
            assert 0.1 <= recording.mean(series) / recording.mean_time(until) <= 1.05, series
        assert recording.mean("load:request_rate") == pytest.approx(recording.sent_rate(ENDED), rel=0.05)
        case.look(recording)
