"""`python -m benchmarks.loadtests [NAME...] [--short]`."""

import subprocess
from collections.abc import Callable
from functools import partial

from benchmarks import command
from benchmarks.figures import Goal
from benchmarks.loadtests import lag, memory, others, processes, requests, streams
from benchmarks.loadtests.size import LONG, SHORT, Size
from loadtests.k6 import command as k6

BENCHMARKS: dict[str, Callable[[Size], list[Goal]]] = {
    "requests": requests.run,
    "streams": streams.run,
    "lag": lag.run,
    "processes": processes.run,
    "memory": memory.run,
}


def _sized(run: Callable[[Size], list[Goal]], short: bool) -> list[Goal]:
    return run(SHORT if short else LONG)


def _programs() -> list[str]:
    words = [f"k6 {k6.version(k6.find())}"]
    if others.wrk_there():
        told = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)  # it ends with 1
        words.append(f"wrk {(told.stdout + told.stderr).split()[1].removeprefix('debian/')}")
    return words


if __name__ == "__main__":
    sized = {name: partial(_sized, run) for name, run in BENCHMARKS.items()}
    command.main("loadtests", sized, _programs, ("5 minutes", "15"))
