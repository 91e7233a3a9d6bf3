"""Simulated scale: how many targets the Prometheus of one run takes, and what its recording then costs."""
