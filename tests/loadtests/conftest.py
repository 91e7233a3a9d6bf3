"""Fixtures of the load's tests."""

from collections.abc import Iterator

import pytest

from tests.loadtests import tools


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Keep one server of known delays for all tests; gives its URL, to which the behaviour is added."""
    with tools.service() as url:
        yield url
