"""The table of figures that `make test-heavy` ends with."""

import pytest

from tests.heavy.recording import HEADINGS, Row

ROWS = pytest.StashKey[dict[str, Row]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no figures."""
    config.stash.setdefault(ROWS, {})


@pytest.fixture
def table(request: pytest.FixtureRequest) -> dict[str, Row]:
    """Give the table: a test puts its row there, and a further try replaces it."""
    return request.config.stash.setdefault(ROWS, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    rows = config.stash.get(ROWS, {}).values()
    if not rows:
        return
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEADINGS))]
    terminalreporter.section("services, as they ran here")
    for line in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        terminalreporter.write_line(text.rstrip())
