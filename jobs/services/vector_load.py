"""The load that starter recipes give vector databases: nearest neighbours, with recall against the exact answer."""

NEAREST = """\
load:
  generator: vector
  k: 10                             # neighbours asked for
  dataset: {kind: random, n: 20000, dim: 64, seed: 1}       # or {kind: hdf5, path: FILE} of ann-benchmarks
  index: hnsw
  ef_search: 80                     # candidates a search: more of them find more, and take longer
  seed: 7
  phases:
    - {name: warmup, for: 5s, rate: 20}
    - {name: steady, for: 30s, rate: 50, arrival: poisson}
objectives: {latency_p95: 100ms, recall_at_10: 0.9, error_rate: 1%}
"""
