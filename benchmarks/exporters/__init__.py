"""What the sidecars cost: CPU, memory, and how both grow. `python -m benchmarks.exporters --help`."""
