"""Make `slurm_lab` known here, whether or not tests/conftest.py names the plugin already."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixture's plugin once."""
    config.pluginmanager.import_plugin("tests.lab.fixture")
