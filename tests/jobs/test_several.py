"""Whole runs of a store, and of three services under one load."""

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from prometheus import replay, snapshot
from runs.directory import RunDirectory
from tests.jobs.driver import Driver

pytestmark = [pytest.mark.real, pytest.mark.timing]

STORE = """\
name: store
watch: {interval: 500ms, exporters: [node]}
services:
  store: {kind: seaweedfs, volume_size_mb: 64}
load:
  generator: s3
  mix: {get: 6, put: 3, delete: 1}
  objects: 40
  size: 16KiB
  drain: 2s
  phases: [{name: steady, for: 6s, rate: 30, arrival: constant}]
"""

CHAIN = """\
name: chain
watch: {interval: 500ms, exporters: [node, otlp]}
services:
  llm: {kind: llamacpp, model: tiny, threads: 1}
  embedder: {kind: llamacpp, model: tiny, parallel: 1, threads: 1, embeddings: true}
  vectors: {kind: pgvector}
load:
  generator: rag
  targets: {embeddings: embedder, vectors: vectors, llm: llm}
  corpus: {documents: 40, words: 10, questions: 10}
  k: 2
  max_tokens: 4
  drain: 3s
  phases: [{name: steady, for: 6s, rate: 5, arrival: constant}]
"""


def driven(folder: Path, recipe: str) -> RunDirectory:
    """Run a recipe to its end; returns its recording."""
    driver = Driver(folder / "recordings")
    driver.recipe.write_text(recipe)
    done = driver.call("run", str(driver.recipe))
    assert done.returncode in {0, 3}, done.stdout + done.stderr
    assert driver.left() == []
    assert list(driver.scratch()) == []
    return RunDirectory(driver.runs()[-1])


def test_a_store_is_started_driven_watched_and_gone(tmp_path):
    """SeaweedFS has the load's operations in its own counters; its keys and sockets are gone with it."""
    run = driven(tmp_path, STORE)
    operations = Counter(pq.read_table(run.load / "requests.parquet")["operation"].to_pylist())
    assert operations.total() == 180
    result = json.loads((run.load / "result.json").read_text())
    assert result["errors"] == {}
    with replay.open_blocks(run.tsdb, tmp_path) as opened:
        end = snapshot.blocks(run.tsdb)[0].end

        def counted(verb: str) -> float:
            query = f'sum(max_over_time(SeaweedFS_s3_request_total{{type="{verb}"}}[5m]))'
            found = opened.client.query(query, end)
            return found[0].values[0] if found else 0.0

        assert counted("GET") >= operations["GET"]
        assert counted("PUT") >= operations["PUT"] + 40
    manifest = json.loads(run.manifest.read_text())
    assert manifest["versions"]["store (SeaweedFS)"] != "unknown"
    command = next(process["command"] for process in manifest["processes"] if process["name"] == "store")
    ports = [word.rpartition("=")[2] for word in command if ".port.grpc=" in word]
    assert len(ports) == 4
    assert not [path for port in ports for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]  # noqa: S108 - weed's
    words = " ".join(command)
    assert "secretKey" not in words
    assert not list(run.path.rglob("*.s3.json"))


def test_three_services_under_one_load(tmp_path):
    """Each role goes to its service; stages are in the records, and spans of the load beside them in the recording."""
    run = driven(tmp_path, CHAIN)
    table = pq.read_table(run.load / "requests.parquet").to_pylist()
    assert len(table) == 30
    assert [row["error"] for row in table if not row["ok"]] == []
    assert all([name for name, _ in row["stages"]] == ["embed", "search", "generate"] for row in table)
    assert all(row["recall"] == 1.0 for row in table)
    spans = [json.loads(line) for line in (run.traces / "otlp-0.jsonl").read_text().splitlines()]
    names = Counter(
        span["name"]
        for line in spans
        for group in line["resourceSpans"]
        if {"key": "service.name", "value": {"stringValue": "load"}} in group["resource"]["attributes"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    )
    assert names == {"rag": 30, "embed": 30, "search": 30, "generate": 30}


def test_a_role_of_the_wrong_kind_is_refused(tmp_path):
    """A service that does not speak what its role needs ends the run before anything is started, and says so."""
    driver = Driver(tmp_path / "recordings")
    driver.recipe.write_text(CHAIN.replace("llm: llm}", "llm: vectors}"))
    done = driver.call("run", str(driver.recipe))
    assert done.returncode == 1
    assert "rag drives openai as llm, not postgres" in done.stdout + done.stderr
    assert driver.left() == []
