"""An ssh tunnel that is kept open: waits until the page answers, connects again when it drops, leaves no ssh behind."""

import contextlib
import functools
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import requests

from prometheus import loopback
from runs.parent import follow

READY_WITHIN = 30.0
_POLL_SECONDS = 0.1
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 30.0

OPTIONS = (
    # Nobody is there to type a password; what is asked for shows as ssh's refusal.
    *("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveCountMax=3"),
    # A shared connection of somebody's configuration would take the forwarding over and outlive us.
    *("-o", "ControlMaster=no", "-o", "ControlPath=none"),
)
"""What an ssh of ours needs beside the options that a person's has."""


class TunnelError(Exception):
    """There is no tunnel; the text says why, in ssh's own words where it had some, and the mend."""


def free_port(asked: int | None, wanted: int) -> int:
    """Return the local port: the one asked for, else the one wanted, else any free one. Raises TunnelError."""
    if asked is not None:
        if not _free(asked):
            raise TunnelError(f"port {asked} of this machine is taken: name another by --local-port, or leave it out")
        return asked
    return wanted if _free(wanted) else loopback.free_port()


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Tunnel:
    """Runs `argv`, an ssh that forwards, for as long as the context lasts. `page`: a URL behind it that answers.

    `ca_file`: the CA by which a page of https is known.
    """

    def __init__(self, argv: Sequence[str], page: str, say: Callable[[str], None], ca_file: Path | None = None) -> None:
        self._argv = tuple(argv)
        self._page = page
        self._ca_file = ca_file
        self._say = say
        self._child: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Connect and wait for the page. Raises TunnelError."""
        try:
            self._connect(lambda: False)
        except TunnelError as error:
            self.close()
            raise TunnelError(f"{error}\n  tried: {shlex.join(self._argv)}") from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the ssh."""
        self.close()

    def keep(self, over: Callable[[], bool]) -> None:
        """Stay until `over()`; connect again, after a growing pause, as often as it drops."""
        delay = _FIRST_DELAY
        why = ""
        while not over():
            if self._child is not None and self._child.poll() is None:
                time.sleep(_POLL_SECONDS)
                continue
            why = why or self._dropped()
            self._say(f"the tunnel is down ({why}); again in {delay:.0f} s")
            if _pause(delay, over):
                return
            try:
                self._connect(over)
            except TunnelError as error:
                why, delay = str(error), min(_LONGEST_DELAY, 2 * delay)
            else:
                self._say("the tunnel is up again")
                why, delay = "", _FIRST_DELAY

    def close(self) -> None:
        """End the ssh and its jump, and wait until they are gone."""
        child, self._child = self._child, None
        if child is not None:
            for number, within in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, number)  # a group of its own: the jump's ssh is in it
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(within)
                    break
        if self._words is not None:
            self._words.close()
            self._words = None

    def _connect(self, over: Callable[[], bool]) -> None:
        self.close()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            self._child = child = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._words,
                # Its own session: Ctrl-C reaches it through us, and the jump's ssh finds no terminal to ask at.
                start_new_session=True,
                env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
                # Also when we are killed hard.
                preexec_fn=functools.partial(follow, os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509 - the live view's threads hold no lock that prctl needs
            )
        except OSError as error:
            raise TunnelError(f"ssh cannot be started: {error.strerror}: install OpenSSH's client") from error
        deadline = time.monotonic() + READY_WITHIN
        while True:
            answers = _answers(self._page, self._ca_file)
            if child.poll() is not None:  # asked after the answer, which could be another program's
                raise TunnelError(self._dropped())
            if answers or over():
                return
            if time.monotonic() > deadline:
                said = self._said()
                self.close()
                raise TunnelError(
                    f"ssh runs, but nothing answered at {self._page} within {READY_WITHIN:.0f} s"
                    + (f": {said}" if said else "")
                )
            time.sleep(_POLL_SECONDS)

    def _dropped(self) -> str:
        code = self._child.returncode if self._child is not None else None
        return self._said() or f"ssh ended with {code} and said nothing"

    def _said(self) -> str:
        if self._words is None:
            return ""
        self._words.seek(0)
        lines = [line.strip() for line in self._words.read().decode(errors="replace").splitlines()]
        return "\n  ".join([line for line in lines if line.strip("@ ")][-8:])


def _answers(page: str, ca_file: Path | None) -> bool:
    with requests.Session() as session:
        session.verify = True if ca_file is None else str(ca_file)
        session.trust_env = False  # a proxy must not stand between us and our own tunnel
        try:
            return session.get(page, timeout=3.0, allow_redirects=False).status_code < 500
        except requests.RequestException:
            return False


def _pause(seconds: float, over: Callable[[], bool]) -> bool:
    """Wait; returns whether it is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if over():
            return True
        time.sleep(_POLL_SECONDS)
    return False
