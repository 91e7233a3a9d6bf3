"""What goes wrong in a lab."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class LabError(RuntimeError):
    """The lab could not do what was asked; the text says what was seen and what to do."""


def poll(question: Callable[[], T | None], timeout: float, what: str | Callable[[], str], *, every: float = 0.03) -> T:
    """Ask until the answer is something other than None or False. Raises LabError with `what` after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = question()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise LabError(f"after {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(every)
