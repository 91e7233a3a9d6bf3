"""What our load generator costs, beside others. `python -m benchmarks.loadtests --help`."""
