"""Chroma's real server beside the sidecar `otlp`: it offers no page of metrics, OpenTelemetry is all it has."""

import json
import os
import shutil
import subprocess
import time

import pytest
import requests

from tests.exporters.otlp_client import HEADERS, receiver, samples
from tests.loadtests.tools import free_port

pytestmark = pytest.mark.heavy

CONFIG = """\
port: {port}
listen_address: 127.0.0.1
persist_path: {data}
open_telemetry:
  endpoint: http://{otlp}
  service_name: vectors
  filters: [{{crate_name: chroma_frontend, filter_level: trace}}]
"""
DATABASE = "api/v2/tenants/default_tenant/databases/default_database"


@pytest.fixture
def chroma(tmp_path):
    """A server that sends to a receiver; gives both, and where traces go."""
    binary = shutil.which("chroma")
    assert binary, "no program `chroma` on PATH: run this by `make test-heavy`"
    traces = tmp_path / "traces.jsonl"
    otlp = receiver(tmp_path, otlp_grpc_listen="127.0.0.1:0", otlp_traces=str(traces))
    port = free_port()
    config = tmp_path / "chroma.yaml"
    config.write_text(CONFIG.format(port=port, data=tmp_path / "data", otlp=otlp.grpc_address))
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={requests.utils.quote(HEADERS['authorization'])}",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "ANONYMIZED_TELEMETRY": "False",
    }
    with (tmp_path / "chroma.log").open("w") as log:
        server = subprocess.Popen([binary, "run", str(config)], env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: answers(server, f"{url}/api/v2/heartbeat"))
        yield url, otlp, traces
    finally:
        server.terminate()
        server.wait(20)


def answers(server, url):
    """Tell whether our own child answers."""
    assert server.poll() is None
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def wait(ask, within=30):
    """Poll until `ask` gives something true, and return it."""
    deadline = time.monotonic() + within
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_its_metrics_and_traces_arrive(chroma):
    """What Chroma counts is shown to Prometheus under the right names, and the spans of its requests are kept."""
    url, otlp, traces = chroma
    for number in range(3):
        made = requests.post(f"{url}/{DATABASE}/collections", json={"name": f"made-{number}"}, timeout=10)
        assert made.ok, made.text
    wait(lambda: any(labels for labels in samples(otlp).labels("create_collection_total")))
    wait(lambda: counted(samples(otlp), "create_collection_total") == 3)
    wait(lambda: "collections" in traces.read_text())
    names = {
        span["name"]
        for line in traces.read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }
    assert any(name.startswith("POST /api/v2/") for name in names)
    assert {labels["service_name"] for labels in samples(otlp).labels("create_collection_total")} == {"vectors"}


def counted(found, name):
    """Return the sum of a counter over its labels."""
    return sum(found(name, **labels) or 0 for labels in found.labels(name))
