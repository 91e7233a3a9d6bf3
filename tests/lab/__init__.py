"""A real Slurm of several nodes on one machine, for tests."""

from tests.lab.errors import LabError
from tests.lab.slurm import SlurmLab

__all__ = ["LabError", "SlurmLab"]
