"""Grafana's dashboards without Grafana: JSON in, drawings of a recording out, for one page that a browser opens."""
