"""Scenarios of MLPerf inference, scheduled by mlcommons-loadgen (the extra `mlperf`)."""
