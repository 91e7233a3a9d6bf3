"""The `rag` generator on a real llama.cpp and a real PostgreSQL, its spans to a real receiver.

The embeddings come from a server of ours whose vectors mean something: those of random weights do not.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator

import psycopg
import pytest
import requests

from loadtests.generators import registry
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from tests.exporters.sidecar import TOKEN, serving
from tests.loadtests import embeddings, programs
from tests.loadtests.tools import a_load, drive, free_port, seconds

pytestmark = pytest.mark.real

LOAD = a_load({"name": "steady", "for": 2, "rate": 15}, generator="rag", seed=5)
SMALL = {"documents": 60, "words": 12, "questions": 20}


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Target]]:
    """Keep the services for the tests of this file."""
    with programs.scratch() as place, programs.llamacpp() as llm, programs.pgvector() as vectors:
        url = f"http://127.0.0.1:{free_port()}"

        def ready() -> bool:
            try:
                return requests.get(f"{url}/seen", timeout=5).ok
            except requests.ConnectionError:
                return False

        argv = [sys.executable, "-m", "tests.loadtests.embeddings", url.rpartition(":")[2]]
        with programs.running(argv, place / "log", ready):
            yield {
                "llm": llm,
                "vectors": vectors,
                "embeddings": Target(protocol="openai", url=url, secret_file=llm.secret_file),
            }


def rag(targets, load=LOAD, **options):
    """Make the generator."""
    kind = registry()["rag"]
    return kind.create(
        targets, kind.Options.model_validate({"k": 3, "corpus": SMALL, "max_tokens": 8, **options}), load
    )


def test_a_chain_is_run_checked_and_timed(targets, tmp_path):
    """Each request has its three stages, the first token of the chain, the server's tokens, and exact recall."""
    table, engine = drive(LOAD, rag(targets, index="none"), tmp_path)
    assert engine.errors == {}
    rows = table.to_pylist()
    assert len(rows) > 15
    for row in rows:
        stages = dict(row["stages"])
        assert list(stages) == ["embed", "search", "generate"]
        assert all(value > 0 for value in stages.values())
        assert row["recall"] == 1.0
        assert row["tokens_in"] > 100
        assert row["tokens_out"] == 8
        whole = (row["done"] - row["sent"]).total_seconds()
        assert sum(stages.values()) == pytest.approx(whole, abs=0.02)
        first = (row["first_token"] - row["sent"]).total_seconds()
        assert stages["embed"] + stages["search"] < first < whole
    assert (seconds(table, "sent", "intended") < 0.5).all()


def test_spans_of_the_stages_reach_the_receiver(targets, tmp_path, monkeypatch):
    """A request is a trace of four spans, and services are told their place in it."""
    otlp, file = f"127.0.0.1:{free_port()}", tmp_path / "traces.jsonl"
    (tmp_path / "otlp").write_text(TOKEN)
    (tmp_path / "otlp").chmod(0o600)
    options = ("otlp", "--otlp-listen", otlp, "--otlp-token-file", str(tmp_path / "otlp"), "--otlp-traces", str(file))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{otlp}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{TOKEN}")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "load")
    with serving(tmp_path, *options):
        table, engine = drive(LOAD, rag(targets), tmp_path)
        assert engine.errors == {}
        traces = defaultdict(dict)
        deadline = time.monotonic() + 10
        while len(traces) < table.num_rows or any(len(spans) < 4 for spans in traces.values()):
            assert time.monotonic() < deadline, traces
            time.sleep(0.1)
            for line in file.read_text().splitlines() if file.exists() else ():
                for group in json.loads(line)["resourceSpans"]:
                    named = {item["key"]: item["value"] for item in group["resource"]["attributes"]}
                    assert named["service.name"]["stringValue"] == "load"
                    for span in group["scopeSpans"][0]["spans"]:
                        traces[span["traceId"]][span["name"]] = span
    numbers = set()
    for spans in traces.values():
        whole = spans.pop("rag")
        assert spans.keys() == {"embed", "search", "generate"}
        assert {span["parentSpanId"] for span in spans.values()} == {whole["spanId"]}
        numbers |= {int(item["value"]["intValue"]) for item in whole["attributes"] if item["key"] == "load.request"}
    assert numbers == set(table["request"].to_pylist())
    told = requests.get(f"{targets['embeddings'].url}/seen", timeout=5).json()["traceparent"]
    version, trace, span, flags = told.split("-")
    assert version == "00"
    assert int(flags, 16) & 1
    assert traces[trace]["embed"]["spanId"] == span


def test_no_spans_without_a_receiver(targets, tmp_path, monkeypatch):
    """A receiver that is not there costs the load nothing but the spans; without an endpoint there are none."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    table, engine = drive(LOAD, rag(targets), tmp_path)
    assert engine.errors == {}
    assert table.num_rows > 15
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    assert rag(targets)._tracing.on is False


async def failure(generator):
    """Send a request that fails; returns its kind and what was seen of it."""
    outcome = Outcome()
    with pytest.raises(RequestFailed) as caught:
        async with asyncio.timeout(5):
            await generator.request(1, outcome)
    return caught.value.kind, list(outcome.stages), str(caught.value)


async def test_what_fails_is_named_with_its_stage(targets, tmp_path):
    """A failure keeps its kind; the last of its stages is the one that failed."""
    generator = rag(targets)
    notes = await generator.setup()
    assert notes["dimensions"] == embeddings.DIMENSIONS
    good = Outcome()
    await generator.request(1, good)
    assert good.first_token is not None
    generator._url += "/nowhere"
    kind, stages, text = await failure(generator)
    assert (kind, stages) == ("http_404", ["embed", "search", "generate"])
    assert "generate: " in text
    with psycopg.connect(targets["vectors"].url, password=programs.SECRET, autocommit=True) as connection:
        connection.execute("DELETE FROM dashcam_texts WHERE id > 0")
        assert (await failure(generator))[:2] == ("wrong_answer", ["embed", "search"])
    generator._expected = -generator._expected
    assert (await failure(generator))[:2] == ("wrong_answer", ["embed"])
    await generator.close()
    wrong = tmp_path / "wrong"
    wrong.write_text("another")
    bad = {**targets, "embeddings": targets["embeddings"].model_copy(update={"secret_file": wrong})}
    generator = rag(bad)
    with pytest.raises(SetupError, match=r"embeddings at http.*http_401"):
        await generator.setup()
    await generator.close()
