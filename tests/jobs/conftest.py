"""What tests of whole runs share."""

import pytest

from tests.jobs.driver import recordings


@pytest.fixture
def driver(tmp_path):
    """A place of recordings; nothing of its runs may be left when a test is over."""
    with recordings(tmp_path / "recordings") as made:
        yield made
