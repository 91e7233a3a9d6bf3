"""The run's Prometheus: configuration, command lines, HTTP client, snapshot, and a recording opened again."""
