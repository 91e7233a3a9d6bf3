"""Benchmarks, run by hand: `make bench`. What they measure and what came out: docs/benchmarks.md."""
