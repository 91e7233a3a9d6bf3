"""The load that starter recipes give S3 stores: objects written, read, listed and deleted, each byte checked."""

OBJECTS = """\
load:
  generator: s3
  mix: {get: 70, put: 20, list: 5, delete: 5}               # shares of the requests
  objects: 500                      # there before the load begins
  size: {kind: lognormal, median: 64KiB, sigma: 1, max: 4MiB}
  seed: 7
  phases:
    - {name: warmup, for: 5s, rate: 20}
    - {name: steady, for: 30s, rate: 60, arrival: poisson}
objectives: {latency_p95: 100ms, error_rate: 1%}
"""
