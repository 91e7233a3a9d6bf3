"""What all tests share: golden files."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

# How long an example takes is the machine's business, not a property.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell's background job ignores it, and hands that on to every program that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.lab.fixture"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --update-golden."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files instead of comparing")


TRIES = {"timing": 3, "real": 2}
"""By marker: programs on a shared machine may hiccup, and a fault of ours fails each time."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Give tests that are marked so their further tries."""
    tries = max((count for name, count in TRIES.items() if item.get_closest_marker(name)), default=1)
    if tries == 1:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(tries):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if attempt == tries - 1 or not any(report.failed for report in reports):
            break
        item._initrequest()  # type: ignore[attr-defined] # as pytest does before the first try
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


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
