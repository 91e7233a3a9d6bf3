"""What all tests share: golden files."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["tests.lab.fixture"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --update-golden."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compare a rendered text with a file in the repository, or rewrite the file with --update-golden."""
    update = request.config.getoption("--update-golden")

    def check(path: Path, text: str) -> None:
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.is_file(), f"{path} is missing: make golden"
        assert text == path.read_text(), f"{path.name} is not what is rendered now: look, then `make golden`"

    return check
