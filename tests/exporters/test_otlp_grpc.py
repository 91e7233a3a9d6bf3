"""The receiver over gRPC, for programs that speak nothing else; by OpenTelemetry's own exporters."""

import socket
import time

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from exporters.collector import OptionError
from exporters.otlp_http import BODY_BYTES
from tests.exporters.exposition import Samples
from tests.exporters.otlp_client import HEADERS, receiver, samples
from tests.exporters.sidecar import serving

METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
RESOURCE = Resource({"service.name": "prog", "service.instance.id": "one"})


def listening(folder, **options):
    """Return a receiver that also speaks gRPC."""
    return receiver(folder, otlp_grpc_listen="127.0.0.1:0", **options)


def call(otlp, body, method=METRICS, headers=HEADERS):
    """Send bytes; returns the status code."""
    with grpc.insecure_channel(otlp.grpc_address) as channel:
        try:
            channel.unary_unary(method)(body, metadata=tuple(headers.items()), timeout=10)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def test_the_real_exporters_arrive(tmp_path):
    """Metrics and spans of the SDK's gRPC exporters are there, gzip included."""
    traces = tmp_path / "traces.jsonl"
    otlp = listening(tmp_path, otlp_traces=str(traces))
    options = {
        "endpoint": otlp.grpc_address, "insecure": True, "headers": HEADERS, "compression": grpc.Compression.Gzip
    }  # fmt: skip
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(**options), export_interval_millis=3_600_000)
    meters = MeterProvider([reader], resource=RESOURCE, shutdown_on_exit=False)
    meters.get_meter("m").create_counter("work", unit="By").add(5)
    meters.shutdown()
    tracers = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(**options)))
    with tracers.get_tracer("t").start_as_current_span("step"):
        pass
    tracers.shutdown()
    found = samples(otlp)
    assert found("work_bytes_total", service_name="prog", service_instance_id="one", otel_scope_name="m") == 5
    assert found("otlp_requests_total", signal="metrics", code="200") == 1
    assert found("otlp_spans_total") == 1
    assert '"name":"step"' in traces.read_text()


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": HEADERS["authorization"][:-1]}]
)
def test_without_the_token_nothing_is_looked_at(tmp_path, headers):
    """A missing or wrong token is refused before the body is parsed, and counted."""
    otlp = listening(tmp_path)
    assert call(otlp, b"garbage", headers=headers) == grpc.StatusCode.UNAUTHENTICATED
    found: Samples = samples(otlp)
    assert found("otlp_requests_total", signal="none", code="401") == 1


def test_garbage_is_named(tmp_path):
    """A body that is no request, one that is too large, and a method that is not there get their status."""
    otlp = listening(tmp_path)
    assert call(otlp, b"\xff\xff") == grpc.StatusCode.INVALID_ARGUMENT
    assert call(otlp, bytes(BODY_BYTES + 1)) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert call(otlp, b"", method="/other/Export") == grpc.StatusCode.UNIMPLEMENTED
    assert call(otlp, b"") == grpc.StatusCode.OK


def test_a_taken_port_is_an_error(tmp_path):
    """A port that another program listens on is named, not shared."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OptionError, match="is the port taken"):
            receiver(tmp_path, otlp_grpc_listen=f"127.0.0.1:{taken.getsockname()[1]}")


def test_a_body_of_a_stranger_is_not_read(tmp_path):
    """One that is larger than any that is taken is refused for the missing token, not for its size."""
    otlp = listening(tmp_path)
    assert call(otlp, bytes(BODY_BYTES + 1), headers={}) == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.timing
def test_a_thousand_silent_clients_do_not_take_all_files(tmp_path):
    """Through the real sidecar, allowed 1,024 open files: scrapes go on, and so do exports once the silent are cut."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        http, port = one.getsockname()[1], two.getsockname()[1]
    arguments = ("otlp", "--otlp-listen", f"127.0.0.1:{http}", "--otlp-grpc-listen", f"127.0.0.1:{port}")
    few = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))\n"
    silent = []
    with serving(tmp_path, *arguments, "--otlp-token-file", str(tmp_path / "token"), code=few) as sidecar:
        try:
            for _ in range(1100):
                silent.append(socket.create_connection(("127.0.0.1", port), timeout=10))
                begun = time.monotonic()
                if len(silent) % 100 == 0:
                    assert sidecar.ask().status == 200
                    assert time.monotonic() - begun < 1
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                metadata = tuple(HEADERS.items())
                channel.unary_unary(METRICS)(b"", metadata=metadata, timeout=15, wait_for_ready=True)
        finally:
            for connection in silent:
                connection.close()
    assert "Too many open files" not in (tmp_path / "stderr").read_text()


def test_silent_clients_stop_nobody(tmp_path):
    """Connections that never send a request, more than there are threads, hold up no other."""
    otlp = listening(tmp_path)
    host, _, port = otlp.grpc_address.rpartition(":")
    silent = [socket.create_connection((host, int(port)), timeout=5) for _ in range(200)]
    try:
        begin = time.monotonic()
        assert call(otlp, b"") == grpc.StatusCode.OK
        assert time.monotonic() - begin < 5
    finally:
        for one in silent:
            one.close()
