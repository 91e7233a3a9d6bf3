"""Every sidecar in a run: what it tells is in the recording, and one that is a bonus costs no run."""

import json
import os
import sys

import pytest

from prometheus import replay, snapshot
from runs.directory import RunDirectory
from tests.jobs import dcgm
from tests.jobs.driver import Driver

pytestmark = [pytest.mark.real, pytest.mark.timing]

RECIPE = f"""\
name: sidecars
watch: {{interval: 500ms, exporters: [node, cgroup, process, gpu, lustre, otlp, page]}}
services:
  llm:
    kind: command
    command: "{sys.executable} -P -m tests.jobs.instrumented {{port}} {{address}}"
    ready: /health
    metrics: /metrics
    metrics_keep: wanted_.*
load:
  generator: openai
  prompt_tokens: 8
  max_tokens: 4
  drain: 2s
  phases: [{{name: steady, for: 6s, rate: 10, arrival: constant}}]
"""


def driven(folder, program, monkeypatch):
    """Run the recipe beside a stand-in for dcgm-exporter; returns the run."""
    dcgm.install(folder / "bin", program)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.getcwd())  # noqa: PTH109 - the service is a module of the tests
    driver = Driver(folder / "recordings")
    driver.recipe.write_text(RECIPE)
    done = driver.call("run", str(driver.recipe))
    assert done.returncode in {0, 3}, done.stdout + done.stderr
    assert driver.left() == []
    return RunDirectory(driver.runs()[-1])


def test_every_sidecar_is_in_the_recording(tmp_path, monkeypatch):
    """dcgm-exporter's figures by our names, OTLP's metrics and traces, the wanted part of a page, and Lustre's absence.

    No password of theirs is in the recording.
    """
    run = driven(tmp_path, dcgm.PROGRAM, monkeypatch)
    block = snapshot.blocks(run.tsdb)[0]
    with replay.open_blocks(run.tsdb, tmp_path) as opened:

        def value(expression):
            found = opened.client.query(expression, block.end)
            return found[0].values[0] if found else None

        assert value('max(max_over_time(gpu_utilization_ratio{uuid="GPU-1"}[5m]))') == 0.5
        assert value('max(max_over_time(gpu_field_absent{field="dram_active_ratio",reason="refused"}[5m]))') == 1
        assert value("max(max_over_time(gpu_sample_age_seconds[5m]))") < 2
        assert value('count(max_over_time(gpu_source_up{source="dcgm-exporter"}[5m]) == 1)') == 1
        assert value("max(max_over_time(answers_total[5m]))") == 60
        assert value('max(max_over_time(wanted_things{page="llm"}[5m]))') == 60
        assert value("count(max_over_time(unwanted_1[5m]))") is None
        assert value('max(max_over_time(exporter_parse_errors_total{collector="page"}[5m]))') > 0
        assert value("max(max_over_time(lustre_client_up[5m]))") == 0
    spans = (run.traces / "otlp-0.jsonl").read_text()
    assert spans.count('"name":"answer"') == 60
    manifest = json.loads(run.manifest.read_text())
    assert manifest["versions"]["dcgm-exporter"] == "4.4.2-4.7.0"
    assert {p["name"] for p in manifest["processes"] if p["role"] == "sidecar"} == {
        "node-exporter-0", "exporter-0", "dcgm-exporter-0"
    }  # fmt: skip
    text = b"".join(path.read_bytes() for path in run.path.rglob("*") if path.is_file())
    assert b"Bearer " not in text.replace(b"type: Bearer", b"")
    assert b"$2b$" not in text


def test_a_broken_dcgm_exporter_costs_no_run(tmp_path, monkeypatch):
    """Where dcgm-exporter is installed and does not start, the run says so and goes on."""
    run = driven(tmp_path, dcgm.BROKEN, monkeypatch)
    manifest = json.loads(run.manifest.read_text())
    assert manifest["ending"] == "completed"
    [note] = [note for note in manifest["notes"] if "dcgm-exporter" in note]
    assert "no driver" in note
    assert note.endswith("the run goes on without it")
