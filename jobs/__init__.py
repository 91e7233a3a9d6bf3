"""Carrying a run out: allocations, programs, the supervisor, Slurm."""
