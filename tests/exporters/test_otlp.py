"""The OTLP receiver, driven by OpenTelemetry's own SDK and by hand."""

import contextlib
import gzip
import json
import socket
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from prometheus_client import generate_latest

from exporters.collector import Context, OptionError
from exporters.otlp import COLLECTOR
from exporters.otlp_receiver import Otlp
from exporters.runner import _Families
from tests.exporters.otlp_client import HEADERS, metering, receiver, samples
from tests.exporters.sidecar import TOKEN, serving

OWN = {"service_name": "prog", "service_instance_id": "one", "otel_scope_name": "lib"}


def post(otlp: Otlp, signal: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    """Send a body as the program that has the token; returns status and body of the answer."""
    connection = HTTPConnection(otlp.address, timeout=10)
    sent = {"Content-Type": "application/json", **HEADERS, **{k.replace("_", "-"): v for k, v in headers.items()}}
    connection.request("POST", f"/v1/{signal}", body, sent)
    answer = connection.getresponse()
    return answer.status, answer.read()


def gauges(*values: tuple[str, float], name: str = "depth", at: int = 1) -> bytes:
    """Return a JSON request of one gauge with an attribute."""
    points = [
        {"timeUnixNano": str(at), "asDouble": value, "attributes": [{"key": "queue", "value": {"stringValue": queue}}]}
        for queue, value in values
    ]
    metric = {"name": name, "gauge": {"dataPoints": points}}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()


def test_what_the_sdk_sends(tmp_path: Path) -> None:
    """Counters, up-down counters, gauges and histograms under Prometheus's names, with units; cumulative."""
    otlp = receiver(tmp_path)

    def temperature(_: CallbackOptions) -> list[Observation]:
        return [Observation(0.5, {"zone": "a"})]

    with metering(otlp) as provider:
        meter = provider.get_meter("lib")
        requests = meter.create_counter("http.server.requests", unit="{request}", description="Requests\nserved.")
        active = meter.create_up_down_counter("active.requests")
        duration = meter.create_histogram("http.duration", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1])
        meter.create_observable_gauge("cpu.share", [temperature], unit="1")
        for _ in range(2):
            requests.add(3, {"route": "/a", "status.code": 200})
            active.add(1)
            duration.record(0.05)
            duration.record(5)
            provider.force_flush()
    families = list(otlp.collect())
    text = generate_latest(_Families(families)).decode()
    assert "# HELP http_server_requests_total Requests served." in text
    found = samples(otlp)
    assert found("http_server_requests_total", **OWN, route="/a", status_code="200") == 6
    assert found("active_requests", **OWN) == 2
    assert found("cpu_share_ratio", **OWN, zone="a") == 0.5
    assert found("http_duration_seconds_bucket", **OWN, le="0.1") == 2
    assert found("http_duration_seconds_bucket", **OWN, le="1.0") == 2
    assert found("http_duration_seconds_bucket", **OWN, le="+Inf") == 4
    assert found("http_duration_seconds_sum", **OWN) == pytest.approx(10.1)
    assert found("otlp_target_info", service_name="prog", service_instance_id="one", host_name="n1") == 1
    assert found("otlp_up") == 1
    assert not {name for name in found.names() if name.startswith("otlp_points_dropped")}


def test_deltas_are_added_up(tmp_path: Path) -> None:
    """Each export brings what came since the last one; what is shown never falls."""
    otlp = receiver(tmp_path)
    with metering(otlp, delta=True) as provider:
        meter = provider.get_meter("lib")
        counter = meter.create_counter("jobs")
        histogram = meter.create_histogram("size", unit="By", explicit_bucket_boundaries_advisory=[10])
        for value in (5, 50, 7):
            counter.add(value)
            histogram.record(value)
            provider.force_flush()
    found = samples(otlp)
    assert found("jobs_total", **OWN) == 62
    assert found("size_bytes_bucket", **OWN, le="10.0") == 2
    assert found("size_bytes_count", **OWN) == 3


def test_exponential_histograms_become_classic_ones(tmp_path: Path) -> None:
    """At most 20 buckets and what spans them, counts exact at every bound, deltas of different scales added up."""
    otlp = receiver(tmp_path)
    views = [View(instrument_name="latency", aggregation=ExponentialBucketHistogramAggregation())]
    values = [0.001, 0.0011, 0.5, 0.9, 1.5, 3.0, 700.0]
    with metering(otlp, delta=True, views=views) as provider:
        histogram = provider.get_meter("lib").create_histogram("latency", unit="ms")
        for value in values:
            histogram.record(value)
            provider.force_flush()
        histogram.record(0)
    found = samples(otlp)
    name = "latency_milliseconds_bucket"
    bounds = sorted(float(labels["le"]) for labels in found.labels(name))
    assert len(bounds) <= 22
    for bound in bounds[:-1]:
        assert found(name, **OWN, le=repr(bound)) == 1 + sum(value <= bound for value in values), bound
    assert found(name, **OWN, le="+Inf") == len(values) + 1
    assert found("latency_milliseconds_sum", **OWN) == pytest.approx(sum(values))


def test_a_program_that_was_started_again_counts_on(tmp_path: Path) -> None:
    """A new start is added to what the old one had counted; so are two programs that cannot be told apart."""
    otlp = receiver(tmp_path)
    for _ in range(2):
        with metering(otlp) as provider:
            counter = provider.get_meter("lib").create_counter("jobs")
            for _ in range(2):
                counter.add(2)
                provider.force_flush()
    assert samples(otlp)("jobs_total", **OWN) == 8


def test_two_programs_are_two_series(tmp_path: Path) -> None:
    """They differ by what they say of themselves."""
    otlp = receiver(tmp_path)
    for instance in ("one", "two"):
        with metering(otlp, instance=instance) as provider:
            provider.get_meter("lib").create_counter("jobs").add(len(instance))
    found = samples(otlp)
    assert [found("jobs_total", **{**OWN, "service_instance_id": name}) for name in ("one", "two")] == [3, 3]


def test_traces_are_lines_of_json(tmp_path: Path) -> None:
    """A line a request, ids in hex, for the owner only; beyond the limit spans are counted, never half a line."""
    path = tmp_path / "traces.jsonl"
    otlp = receiver(tmp_path, otlp_traces=str(path), otlp_traces_limit="1200")
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"http://{otlp.address}/v1/traces", headers=HEADERS)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("lib")
    with tracer.start_as_current_span("embed", attributes={"n": 3}) as span:
        wanted = format(span.get_span_context().trace_id, "032x")
    for _ in range(5):
        tracer.start_span("search").end()
    provider.shutdown()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    (first,) = lines[0]["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (first["name"], first["traceId"], len(first["spanId"])) == ("embed", wanted, 16)
    assert first["attributes"] == [{"key": "n", "value": {"intValue": "3"}}]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size <= 1200
    found = samples(otlp)
    assert found("otlp_spans_total") == 6
    assert found("otlp_spans_dropped_total", reason="limit") == 6 - len(lines) > 0
    assert found("otlp_traces_bytes") == path.stat().st_size


def test_traces_in_json_keep_their_ids(tmp_path: Path) -> None:
    """Ids come in hex and go out in hex; unknown fields are no error."""
    path = tmp_path / "traces.jsonl"
    otlp = receiver(tmp_path, otlp_traces=str(path))
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "x", "kind": 2}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "neverHeardOf": 1}]}]}]}
    assert post(otlp, "traces", json.dumps(body).encode())[0] == 200
    assert json.loads(path.read_text())["resourceSpans"][0]["scopeSpans"][0]["spans"] == [span]


def test_a_stranger_gets_nothing_in(tmp_path: Path) -> None:
    """No token, a wrong one, another path, another method: refused before the body is read."""
    otlp = receiver(tmp_path)
    assert post(otlp, "metrics", gauges(("a", 1)), Authorization="Bearer wrong")[0] == 401
    assert post(otlp, "metrics", gauges(("a", 1)), Authorization="")[0] == 401
    assert post(otlp, "nonsense", b"{}")[0] == 404
    found = samples(otlp)
    assert found("otlp_requests_total", signal="none", code="401") == 2
    assert found("depth", queue="a") is None


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b'{"resourceMetrics": 7}', {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"\xff\xff", {"Content_Type": "application/x-protobuf"}, 400),
        (b"{}", {"Content_Type": "text/plain"}, 415),
        (b"{}", {"Content_Encoding": "br"}, 415),
        (b"{}", {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b" " * 70_000_000), {"Content_Encoding": "gzip"}, 413),
        (b"", {"Content_Length": "99999999999"}, 413),
    ],
)
def test_bodies_that_are_none(tmp_path: Path, body: bytes, headers: dict[str, str], code: int) -> None:
    """Each has its status; the next request is taken."""
    otlp = receiver(tmp_path)
    assert post(otlp, "metrics", body, **headers)[0] == code
    assert post(otlp, "metrics", gauges(("a", 1)))[0] == 200


def test_an_error_is_told_in_the_requests_own_format(tmp_path: Path) -> None:
    """A google.rpc.Status, as the protocol says."""
    otlp = receiver(tmp_path)
    _, body = post(otlp, "metrics", b"{")
    assert "no OTLP metrics request" in json.loads(body)["message"]
    _, body = post(otlp, "metrics", b"\xff", Content_Type="application/x-protobuf")
    assert "no OTLP metrics request" in Status.FromString(body).message


def test_a_body_in_chunks(tmp_path: Path) -> None:
    """Some clients do not know the length before they have compressed it all."""
    otlp = receiver(tmp_path)
    body = gauges(("a", 4))
    connection = HTTPConnection(otlp.address, timeout=10)
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked", **HEADERS}
    connection.request("POST", "/v1/metrics", iter([body[:9], body[9:]]), headers, encode_chunked=True)
    assert connection.getresponse().status == 200
    assert [labels["queue"] for labels in samples(otlp).labels("depth")] == ["a"]


def test_series_have_a_limit(tmp_path: Path) -> None:
    """Beyond it new series are dropped and counted, and the program is told so; those that are there go on."""
    otlp = receiver(tmp_path, otlp_series="3")
    code, body = post(otlp, "metrics", gauges(*((str(n), n) for n in range(10))))
    assert (code, json.loads(body)["partialSuccess"]) == (
        200,
        {"rejectedDataPoints": "7", "errorMessage": "not kept (cardinality: 7)"},
    )
    assert post(otlp, "metrics", gauges(("0", 99), at=2)) == (200, b"{}")
    found = samples(otlp)
    assert len(found.labels("depth")) == 3
    assert found("otlp_points_dropped_total", reason="cardinality") == 7
    assert 99 in {found("depth", **labels) for labels in found.labels("depth")}


def test_spans_beyond_the_limit_are_told(tmp_path: Path) -> None:
    """So that it is not only in our own counters."""
    otlp = receiver(tmp_path, otlp_traces=str(tmp_path / "traces"), otlp_traces_limit="1")
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x"}, {"name": "y"}]}]}]}
    code, answer = post(otlp, "traces", json.dumps(body).encode())
    assert (code, json.loads(answer)["partialSuccess"]["rejectedSpans"]) == (200, "2")
    assert post(receiver(tmp_path), "traces", json.dumps(body).encode()) == (200, b"{}")


def test_a_body_of_several_gzip_members(tmp_path: Path) -> None:
    """They are one body, and its limit is one for all."""
    otlp = receiver(tmp_path)
    body = gauges(("a", 4))
    members = gzip.compress(body[:9]) + gzip.compress(body[9:])
    assert post(otlp, "metrics", members, Content_Encoding="gzip")[0] == 200
    assert [labels["queue"] for labels in samples(otlp).labels("depth")] == ["a"]
    assert post(otlp, "metrics", gzip.compress(b" " * 40_000_000) * 2, Content_Encoding="gzip")[0] == 413


def test_the_scope_s_version_is_a_label(tmp_path: Path) -> None:
    """As the specification asks; two versions of a library are two series."""
    otlp = receiver(tmp_path)
    with metering(otlp) as provider:
        provider.get_meter("lib", "1.2").create_counter("jobs").add(1)
    assert samples(otlp)("jobs_total", **OWN, otel_scope_version="1.2") == 1


def test_late_and_conflicting_points_are_counted(tmp_path: Path) -> None:
    """An older value does not replace a newer one; one name has one type."""
    otlp = receiver(tmp_path)
    post(otlp, "metrics", gauges(("a", 1), at=5))
    post(otlp, "metrics", gauges(("a", 2), at=4))
    other = gauges(("a", 2)).replace(b'"gauge"', b'"summary"').replace(b'"asDouble"', b'"sum"')
    post(otlp, "metrics", other)
    found = samples(otlp)
    assert [found("depth", **labels) for labels in found.labels("depth")] == [1]
    assert found("otlp_points_dropped_total", reason="late") == 1
    assert found("otlp_points_dropped_total", reason="conflict") == 1


def test_names_of_others_are_not_taken(tmp_path: Path) -> None:
    """A program's `up` or `gpu_...` does not pass for one of the run's own series."""
    otlp = receiver(tmp_path)
    post(otlp, "metrics", gauges(("a", 1), name="up"))
    post(otlp, "metrics", gauges(("a", 1), name="gpu.power"))
    assert {"otlp_up", "otlp_gpu_power"} <= samples(otlp).names()
    assert not {"up", "gpu_power"} & samples(otlp).names()


@pytest.mark.timing
def test_a_thousand_slow_clients_at_each_port_stop_neither_export_nor_scrape(tmp_path: Path) -> None:
    """Through the real sidecar, allowed 1,024 open files: they send half a head and wait, and come again when cut."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ("otlp", "--otlp-listen", f"127.0.0.1:{port}", "--otlp-token-file", str(tmp_path / "token"))
    few = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))\n"
    with serving(tmp_path, *arguments, code=few) as sidecar, contextlib.ExitStack() as slow:
        for _ in range(1000):
            for one in (port, sidecar.port):
                loris = slow.enter_context(socket.create_connection(("127.0.0.1", one), timeout=10))
                loris.send(b"POST /v1/metrics HTTP/1.1\r\n")
        begun = time.monotonic()
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        connection.request("POST", "/v1/metrics", gauges(("a", 1)), headers)
        assert connection.getresponse().status == 200
        assert b"depth{" in sidecar.ask().body
        assert time.monotonic() - begun < 2
    assert (tmp_path / "stderr").read_text() == ""


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "otlp needs --otlp-listen HOST:PORT and --otlp-token-file"),
        ({"otlp-listen": "127.0.0.1:x", "otlp-token-file": "t"}, "--otlp-listen '127.0.0.1:x' is not HOST:PORT"),
        ({"otlp-listen": "127.0.0.1:0", "otlp-token-file": "/nowhere"}, "token file /nowhere cannot be read"),
        ({"otlp-listen": "127.0.0.1:0", "otlp-token-file": "t", "otlp-series": "0"}, "--otlp-series 0 is not"),
    ],
)
def test_options_that_are_none(options: dict[str, str], text: str) -> None:
    """The error names the option and the mend."""
    with pytest.raises(OptionError, match=text):
        COLLECTOR.create(Context(options={name: [value] for name, value in options.items()}))
