"""`otlp`: receives OTLP beside the programs of a node, and shows their metrics to Prometheus.

A program that OpenTelemetry instruments sends to `http://HOST:PORT/v1/metrics` and `/v1/traces`, with the header
`Authorization: Bearer TOKEN`; or by gRPC to a second address, where one is given. Metrics come out under Prometheus's
names (`exporters.otlp_names`), deltas added up, exponential histograms as classic ones. Traces go into a file as lines
of OTLP JSON. Logs are accepted and not kept.
"""

from exporters.collector import Collector, CollectorKind, Context, Option


def _create(context: Context) -> Collector:
    from exporters.otlp_receiver import Otlp  # noqa: PLC0415 - loads protobuf

    return Otlp(context)


COLLECTOR = CollectorKind(
    "otlp",
    "receives OpenTelemetry's metrics and traces (OTLP) of the programs of the node",
    _create,
    (
        Option("otlp-listen", "HOST:PORT", "where programs send to"),
        Option("otlp-grpc-listen", "HOST:PORT", "where programs send to that speak OTLP/gRPC (default: nowhere)"),
        Option("otlp-token-file", "FILE", "the secret that they send as a bearer token, in a file of mode 0600"),
        Option("otlp-traces", "FILE", "where traces are appended (default: they are counted and not kept)"),
        Option("otlp-traces-limit", "BYTES", "how large that file gets (default 256 MiB)"),
        Option("otlp-series", "N", "how many lines the programs' series may take (default 2000)"),
    ),
)
