"""A program of a step is stopped alone, though all of the step get the signal."""

import os
import signal
import subprocess
import sys

from jobs import leader

CHILD = """
import os, signal, subprocess, sys
beside = subprocess.Popen(["sleep", "30"])
got = []
signal.signal(signal.SIGTERM, lambda *_: got.append("TERM"))
print("up", flush=True)
while not got:
    signal.pause()
print(got, beside.poll(), flush=True)
beside.kill()
sys.exit(9)
"""


def start(*command):
    """Start a program by its leader, in a group of its own."""
    words = [sys.executable, "-P", "-m", "jobs.leader", str(int(signal.SIGTERM)), "--", *command]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_stop_reaches_the_program_and_nothing_else():
    """The whole group gets SIGURG: the program one SIGTERM, what stands beside it nothing; the code comes back."""
    with start(sys.executable, "-c", CHILD) as made:
        assert made.stdout.readline() == "up\n"
        os.killpg(made.pid, leader.STOP)
        assert made.stdout.readline() == "['TERM'] None\n"
        assert made.wait(10) == 9


def test_code_of_a_signal():
    """A program that was killed is told as 128 + n; one that is not there as 127."""
    with start(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)") as made:
        assert made.wait(10) == 128 + 9
    with start("/not/there") as made:
        assert made.wait(10) == 127
        assert "cannot be started" in made.stderr.read()


def test_leader_stays_for_its_child():
    """A signal for all that the program outlives does not take the leader away."""
    with start(sys.executable, "-c", CHILD) as made:
        assert made.stdout.readline() == "up\n"
        made.send_signal(signal.SIGTERM)
        made.send_signal(leader.STOP)
        assert made.wait(10) == 9
