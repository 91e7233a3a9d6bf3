"""Programs that are run on a clock of their own, so that no scrape waits for one that hangs."""

import atexit
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_REST = 4
"""A program rests at least so many times as long as it ran: a slow one must not take a core."""

_ASKED_FOR = 60.0
"""Seconds without a scrape after which the clock stands still."""

_GRACE = 1.0
_LARGEST = 16 * 2**20


@dataclass(frozen=True)
class Output:
    """What a run left: `text` is its standard output; `error` says why it is of no use, "" where it is.

    `timed_out` and `missing` tell two of the errors apart. `finished` is of time.monotonic.
    """

    text: str = ""
    error: str = ""
    timed_out: bool = False
    missing: bool = False
    finished: float = 0.0


_running: set[int] = set()
"""Process groups that live, by their leaders: none is left behind at our end."""


@atexit.register
def _end_all() -> None:
    for group in list(_running):
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


def run(argv: Sequence[str], environment: Mapping[str, str], timeout: float) -> Output:
    """Run `argv` in a process group of its own, which is killed after `timeout` seconds."""
    name = os.path.basename(argv[0])  # noqa: PTH119 - a name, not a file to look at
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment, "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        return Output(error=f"{name} cannot be started: {error.strerror}", missing=missing, finished=time.monotonic())
    _running.add(process.pid)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        # A process in an uninterruptible sleep is not gone by that; it must not hold up the clock for ever.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_GRACE)
        return Output(error=f"{name} did not end within {timeout:g} s", timed_out=True, finished=time.monotonic())
    finally:
        _running.discard(process.pid)
    text = out[:_LARGEST].decode(errors="replace")
    error_text = ""
    if process.returncode:
        told = " ".join((err or out).decode(errors="replace").split())[:160]
        error_text = f"{name} ended with status {process.returncode}: {told}"
    return Output(text=text, error=error_text, finished=time.monotonic())


class Clockwork(Generic[T]):
    """Calls `work` every `every` seconds in a thread of its own, as long as somebody asks for what came of it.

    `work` returns its failures: what it raises would end the thread.
    """

    def __init__(self, work: Callable[[], T], every: float, name: str) -> None:
        self._work = work
        self._every = every
        self._name = name
        self._changed = threading.Condition()
        self._asked = float("-inf")
        self._started = False
        self._last: T | None = None

    def last(self, patience: float) -> T | None:
        """Return what the last run left; waits up to `patience` seconds for the first. None: it has not ended yet."""
        with self._changed:
            self._asked = time.monotonic()
            if not self._started:
                self._started = True
                threading.Thread(target=self._turn, name=f"clock-{self._name}", daemon=True).start()
            self._changed.notify_all()
            if self._last is None:
                self._changed.wait_for(lambda: self._last is not None, patience)
            return self._last

    def _turn(self) -> None:
        while True:
            begun = time.monotonic()
            output = self._work()
            took = time.monotonic() - begun
            with self._changed:
                self._last = output
                self._changed.notify_all()
                rest_until = begun + max(self._every, took * (1 + _REST))
                while (left := rest_until - time.monotonic()) > 0:
                    self._changed.wait(left)
                self._changed.wait_for(lambda: time.monotonic() - self._asked < _ASKED_FOR)
