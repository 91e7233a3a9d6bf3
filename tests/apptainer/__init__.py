"""Tests of apptainer/."""
