"""A service that OpenTelemetry's SDK instruments and that has a long page of metrics: `... PORT ADDRESS`.

It answers as an OpenAI server does, and finds the receiver of its node by its environment only.
"""

import sys

from aiohttp import web
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

METERS = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
TRACERS = TracerProvider()
TRACERS.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=500))
ANSWERED = METERS.get_meter("service").create_counter("answers", unit="{answer}")
TOLD = {"count": 0}

PAGE = '# TYPE wanted_things counter\nwanted_things{kind="a"} COUNT\nwanted_things{broken 1\n'
PAGE += "".join(f'unwanted_{number}{{a="b"}} 1\n' for number in range(1000))


async def complete(request: web.Request) -> web.StreamResponse:
    """Answer with two tokens."""
    with TRACERS.get_tracer("service").start_as_current_span("answer"):
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for event in ('{"choices":[{"text":"a"}]}', '{"choices":[{"text":"b","finish_reason":"stop"}]}', "[DONE]"):
            await answer.write(f"data: {event}\n\n".encode())
        ANSWERED.add(1)
        TOLD["count"] += 1
    return answer


async def metrics(_request: web.Request) -> web.Response:
    """Give a page of which one line cannot be read."""
    return web.Response(text=PAGE.replace("COUNT", str(TOLD["count"])))


async def ready(_request: web.Request) -> web.Response:
    """Say that we are there."""
    return web.Response()


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/v1/completions", complete), web.get("/metrics", metrics), web.get("/health", ready)])
    web.run_app(app, host=sys.argv[2], port=int(sys.argv[1]), print=None)
    METERS.shutdown()
    TRACERS.shutdown()
