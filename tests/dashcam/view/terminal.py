"""A terminal for tests: a command under a pty of a given size, its screen read by pyte."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pyte


class Terminal:
    """Runs `python -m dashcam ...` in it."""

    def __init__(self, arguments, columns=80, rows=24, **environment):
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.master, slave = pty.openpty()
        self._size(slave, columns, rows)
        cleared = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "dashcam", *arguments],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**cleared, "TERM": "xterm-256color", **environment},
        )  # fmt: skip
        os.close(slave)

    @staticmethod
    def _size(descriptor, columns, rows):
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        """Make the window another size, as a window manager does."""
        self._size(self.master, columns, rows)
        self.screen.resize(rows, columns)
        os.kill(self.child.pid, signal.SIGWINCH)

    def read(self, seconds=0.1):
        """Take what comes in that time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:  # the other end is closed
                    return
                self.raw += data
                self._stream.feed(data)

    def lines(self):
        """Return the screen as it is."""
        return [line.rstrip() for line in self.screen.display]

    def wait(self, what, ask, within=60):
        """Read until `ask(lines)` holds."""
        deadline = time.monotonic() + within
        while not ask(self.lines()):
            assert time.monotonic() < deadline, f"waited for {what}; the screen:\n" + "\n".join(self.lines())
            self.read()

    def line(self, start):
        """Return the first line that begins so."""
        return next((line for line in self.lines() if line.startswith(start)), "")

    def finish(self, within=60):
        """Read to the end; returns the exit code."""
        deadline = time.monotonic() + within
        while self.child.poll() is None:
            assert time.monotonic() < deadline, "\n".join(self.lines())
            self.read()
        self.read(0.3)
        return self.child.returncode

    def close(self):
        """End the child if it still runs."""
        if self.child.poll() is None:
            self.child.terminate()
            self.child.wait(30)
        os.close(self.master)
