"""Programs that OpenTelemetry's SDK instruments, for the tests of the receiver."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from exporters.collector import Context
from exporters.otlp_receiver import Otlp
from tests.exporters.exposition import Samples
from tests.exporters.sidecar import TOKEN, token_file

HEADERS = {"authorization": f"Bearer {TOKEN}"}


def receiver(folder: Path, **options: str) -> Otlp:
    """Return a receiver on a free port."""
    chosen = {"otlp-listen": "127.0.0.1:0", "otlp-token-file": str(token_file(folder))}
    chosen |= {name.replace("_", "-"): value for name, value in options.items()}
    return Otlp(Context(options={name: [value] for name, value in chosen.items()}))


def samples(otlp: Otlp) -> Samples:
    """Collect once."""
    return Samples(otlp.collect())


@contextmanager
def metering(otlp: Otlp, *, delta: bool = False, views: Any = (), instance: str = "one") -> Iterator[MeterProvider]:
    """Give a meter provider that exports when it is flushed."""
    chosen = AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
    exporter = OTLPMetricExporter(
        endpoint=f"http://{otlp.address}/v1/metrics",
        headers=HEADERS,
        compression=Compression.Gzip,
        preferred_temporality=dict.fromkeys((Counter, UpDownCounter, Histogram), chosen),
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    resource = Resource({"service.name": "prog", "service.instance.id": instance, "host.name": "n1"})
    provider = MeterProvider([reader], resource=resource, views=views, shutdown_on_exit=False)
    try:
        yield provider
    finally:
        provider.shutdown()
