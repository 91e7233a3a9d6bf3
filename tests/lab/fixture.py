"""A pytest plugin with one fixture: `slurm_lab`, a real Slurm that lives for the whole test session."""

from collections.abc import Iterator

import pytest

from tests.lab.slurm import SlurmLab


@pytest.fixture(scope="session")
def slurm_lab() -> Iterator[SlurmLab]:
    """Keep a running cluster of four nodes; jobs of one test are seen by the next unless it ends them."""
    with SlurmLab() as lab:
        yield lab
