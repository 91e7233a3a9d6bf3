"""Dashboards as code and the Grafana server: nothing of it is here yet, the report draws the series."""
