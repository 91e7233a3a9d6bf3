"""A program ends with who started it."""

import os
import signal
import subprocess
import sys

import pytest

from jobs import leader
from runs import follower

DAEMON = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:])
child.wait()
"""
PROGRAM = """
import os, signal
signal.signal(signal.SIGINT, lambda *_: (print("interrupted", flush=True), os._exit(0)))
print(os.getpid(), flush=True)
signal.pause()
"""


@pytest.mark.parametrize("first", [follower, leader])
def test_ends_with_its_daemon(first):
    """kill -9 of what started it: the program gets its own stop signal."""
    words = first.command([sys.executable, "-c", PROGRAM], signal.SIGINT)
    with subprocess.Popen([sys.executable, "-c", DAEMON, *words], stdout=subprocess.PIPE, text=True) as daemon:
        pid = int(daemon.stdout.readline())
        daemon.kill()
        try:
            assert daemon.stdout.readline() == "interrupted\n"
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise


def test_one_that_is_not_there():
    """It is said, and the code is a shell's."""
    done = subprocess.run(follower.command(["/not/there"], 15), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (127, "/not/there cannot be started: No such file or directory\n")
