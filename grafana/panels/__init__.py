"""Builders of panels, one a kind."""

from grafana.panels.listed import table, text
from grafana.panels.over_time import heatmap, state_timeline, timeseries
from grafana.panels.values import bar_gauge, gauge, stat

__all__ = ["bar_gauge", "gauge", "heatmap", "stat", "state_timeline", "table", "text", "timeseries"]
