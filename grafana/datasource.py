"""The one data source of a run's dashboards: its own Prometheus."""

UID = "run-prometheus"
