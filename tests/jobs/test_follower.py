"""A program of a step ends with the step's daemon, whether it runs natively or in an image."""

import os
import signal
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("first", ["jobs.follower", "jobs.leader"])
def test_ends_with_its_daemon(first):
    """kill -9 of what started it: the program gets its own stop signal."""
    words = [sys.executable, "-P", "-m", first, str(int(signal.SIGINT)), "--", sys.executable, "-c", PROGRAM]
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
    words = [sys.executable, "-P", "-m", "jobs.follower", "15", "--", "/not/there"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (127, "/not/there cannot be started: No such file or directory\n")
