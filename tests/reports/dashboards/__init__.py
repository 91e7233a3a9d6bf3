"""Tests of the dashboards that the report draws."""
