"""What tests of whole runs share."""

import pytest

from tests.jobs.driver import Driver


@pytest.fixture
def driver(tmp_path):
    """A place of recordings; nothing of its runs may be left when a test is over."""
    made = Driver(tmp_path / "recordings")
    yield made
    assert made.left() == []
    assert list(made.scratch()) == []
