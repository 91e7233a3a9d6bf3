"""The receiver of `exporters.otlp`: takes requests, keeps what they bring, and tells it at each scrape."""

import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.core import Metric

from exporters import otlp_wire as wire
from exporters.collector import Context, OptionError
from exporters.families import Families
from exporters.otlp_http import Receiver, Reply, Request
from exporters.otlp_store import Store
from exporters.otlp_traces import LIMIT, WRITE_ERROR, Traces
from exporters.secret import TokenError, read_token
from exporters.server import ServeError, address_of, listen

TRACES_LIMIT = 256 * 2**20
SERIES, SERIES_EACH = 2000, 500


class Otlp:
    """See `exporters.otlp`. Listens as soon as it is made; `address` is where. Raises OptionError."""

    name = "otlp"

    def __init__(self, context: Context) -> None:
        where, token_file, path = (context.option(f"otlp-{name}") for name in ("listen", "token-file", "traces"))
        if where is None or token_file is None:
            raise OptionError(
                "otlp needs --otlp-listen HOST:PORT and --otlp-token-file FILE: nothing listens without a secret"
            )
        host, _, port = where.rpartition(":")
        if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
            raise OptionError(f"--otlp-listen {where!r} is not HOST:PORT")
        most = _natural(context, "otlp-series", SERIES)
        limit = _natural(context, "otlp-traces-limit", TRACES_LIMIT)
        self._malformed = context.malformed
        self._store = Store(most, min(SERIES_EACH, most))
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._spans = self._logs = 0
        self._spans_dropped: Counter[str] = Counter()
        try:
            token = read_token(Path(token_file))
            self._traces = Traces(Path(path) if path else None, limit)
            bound = listen(host.removeprefix("[").removesuffix("]"), int(port))
        except (TokenError, ServeError) as error:
            raise OptionError(f"otlp: {error}") from error
        except OSError as error:
            raise OptionError(f"--otlp-traces {path} cannot be written: {error.strerror}") from error
        self.address = address_of(bound)
        self._receiver = Receiver(bound, token, self._handle)
        self.grpc_address = self._grpc(context.option("otlp-grpc-listen"), token)

    def _grpc(self, where: str | None, token: str) -> str | None:
        if where is None:
            return None
        from exporters.otlp_grpc import GrpcError, GrpcReceiver  # noqa: PLC0415 - loads grpcio

        try:
            return GrpcReceiver(where, token, self._handle, self._receiver.requests).address
        except GrpcError as error:
            raise OptionError(f"otlp: --otlp-grpc-listen: {error}") from error

    def collect(self) -> Iterable[Metric]:
        """See `exporters.collector.Collector`."""
        own = Families("otlp")
        own.gauge("up", "1 while the receiver listens.", 1.0)
        text = "Requests by what they brought and how they were answered."
        for (signal, code), count in sorted(self._receiver.requests.copy().items()):
            own.counter("requests", text, float(count), signal=signal, code=str(code))
        for kind, count in sorted(self._store.points.items()):
            own.counter("points", "Data points received, by their kind.", float(count), type=kind)
        for reason, count in sorted(self._store.dropped.items()):
            own.counter("points_dropped", "Data points that were not kept, and why.", float(count), reason=reason)
        own.gauge("series", "Lines that the programs' series take.", float(self._store.size()))
        own.counter("spans", "Spans received.", float(self._spans))
        with self._lock:
            dropped = sorted(self._spans_dropped.items())
        for reason, count in dropped:
            own.counter("spans_dropped", "Spans that were not kept, and why.", float(count), reason=reason)
        own.gauge("traces_bytes", "Size of the file of traces.", float(self._traces.size))
        own.counter("log_records_dropped", "Log records, which are not kept.", float(self._logs))
        return [*own, *self._store.families()]

    def _handle(self, request: Request) -> Reply:
        try:
            body = wire.inflate(request.body, request.encoding)
            message = wire.decode(request.signal, request.kind, body)
        except wire.WireError as error:
            self._malformed.add()
            return Reply(error.code, request.kind, wire.failure(request.kind, str(error)))
        lost = self._take(message)
        why = ", ".join(f"{reason}: {count}" for reason, count in sorted(lost.items()))
        return Reply(200, request.kind, wire.success(request.signal, request.kind, lost.total(), f"not kept ({why})"))

    def _take(self, message: Message) -> "Counter[str]":
        """Keep what a request brings; returns how much of it was not kept, by reason."""
        if isinstance(message, ExportMetricsServiceRequest):
            return self._store.put(message)
        if isinstance(message, ExportTraceServiceRequest):
            spans = sum(len(scope.spans) for one in message.resource_spans for scope in one.scope_spans)
            line = wire.as_json(message)
            # A file system that hangs holds up this, and no scrape.
            with self._writing:
                why = self._traces.write(line) if spans else None
            with self._lock:
                self._spans += spans
                if why is not None:
                    self._spans_dropped[why] += spans
            # Without a file they are counted, which is what was asked for.
            return Counter({why: spans} if why in {LIMIT, WRITE_ERROR} else {})
        with self._lock:
            if isinstance(message, ExportLogsServiceRequest):
                # Accepted and counted: a program that is told so with each request would fill its own log.
                self._logs += sum(len(scope.log_records) for one in message.resource_logs for scope in one.scope_logs)
        return Counter()


def _natural(context: Context, name: str, default: int) -> int:
    text = context.option(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**53):
        raise OptionError(f"--{name} {text} is not a number from 1")
    return int(text)
