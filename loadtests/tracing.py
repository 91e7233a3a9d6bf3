"""Spans of a load's requests, sent to where OpenTelemetry's environment variables say; nothing where they say nothing.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and https://www.w3.org/TR/trace-context/.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loadtests.outcome import RequestFailed

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_TIMEOUT = 5.0
"""Seconds that one export, and the last, may take."""
_DELAY_MS, _BATCH, _QUEUE = 1000.0, 256, 8192
"""Exports are small and frequent: a large one keeps the interpreter from the event loop while it is encoded."""


class Trace:
    """One request on its way: spans of its stages, or none."""

    def __init__(self, tracer: "Tracer | None" = None, context: "Context | None" = None) -> None:
        self._tracer = tracer
        self._context = context

    @contextmanager
    def span(self, name: str) -> Iterator[dict[str, str]]:
        """Time a stage; gives the headers by which the program that does it finds its place in the trace."""
        headers: dict[str, str] = {}
        if self._tracer is None:
            yield headers
            return
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415 - heavy, and of no use without a receiver
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - same

        with _ended(self._tracer, name, self._context) as context:
            TraceContextTextMapPropagator().inject(headers, set_span_in_context(context))
            yield headers


class Tracing:
    """Makes the traces of a load. A share `ratio` of them is recorded; the others cost next to nothing.

    Spans are sent in batches by a thread of the SDK's own; what it cannot send it drops, and says so in the log.
    """

    def __init__(self, ratio: float) -> None:
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None
        if ratio > 0 and any(os.environ.get(name) for name in _ENDPOINTS):
            self._provider = _provider(ratio)
            self._tracer = self._provider.get_tracer("dashcam.load")

    @property
    def on(self) -> bool:
        """Whether anything is recorded."""
        return self._tracer is not None

    @contextmanager
    def trace(self, name: str, number: int) -> Iterator[Trace]:
        """Time request `number` as a whole."""
        if self._tracer is None:
            yield Trace()
            return
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415 - heavy, and of no use without a receiver

        with _ended(self._tracer, name, None, {"load.request": number}) as span:
            yield Trace(self._tracer, set_span_in_context(span))

    async def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        if self._provider is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.to_thread(self._provider.shutdown), 2 * _TIMEOUT)


@contextmanager
def _ended(
    tracer: "Tracer", name: str, context: "Context | None", attributes: Mapping[str, int] | None = None
) -> Iterator["Span"]:
    """Give a span that ends whatever happens, with what went wrong as its status."""
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - heavy, and of no use without a receiver

    span = tracer.start_span(name, context=context, attributes=attributes)
    try:
        yield span
    except BaseException as error:
        kind = error.kind if isinstance(error, RequestFailed) else type(error).__name__
        span.set_attribute("error.type", kind)
        span.set_status(StatusCode.ERROR)
        raise
    finally:
        span.end()


def _provider(ratio: float) -> "TracerProvider":
    import requests  # noqa: PLC0415 - used here only
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - heavy
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - heavy
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - heavy
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased  # noqa: PLC0415 - heavy

    session = requests.Session()
    session.trust_env = False  # a site's proxy must not stand between us and our own node
    provider = TracerProvider(sampler=TraceIdRatioBased(ratio), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(timeout=_TIMEOUT, session=session)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, max_queue_size=_QUEUE, schedule_delay_millis=_DELAY_MS, max_export_batch_size=_BATCH
        )
    )
    return provider
