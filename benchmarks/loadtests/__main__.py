"""`python -m benchmarks.loadtests [NAME...] [--short]`."""

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.figures import Goal
from benchmarks.loadtests import lag, memory, others, processes, requests, streams
from benchmarks.loadtests.size import LONG, SHORT, Size
from loadtests.k6 import command

BENCHMARKS: dict[str, Callable[[Size], list[Goal]]] = {
    "requests": requests.run,
    "streams": streams.run,
    "lag": lag.run,
    "processes": processes.run,
    "memory": memory.run,
}


def main() -> None:
    """Run the benchmarks that are named, then say which goals are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loadtests", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--short", action="store_true", help="fewer and shorter rounds: 5 minutes, not 15")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {', '.join(unknown)}: there are {', '.join(BENCHMARKS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped on the way out
    print(_machine())
    goals: list[Goal] = []
    for name in options.names or BENCHMARKS:
        goals += BENCHMARKS[name](SHORT if options.short else LONG)
    print(f"\nGoals{', of short rounds' if options.short else ''} (median of the rounds, smallest to largest)\n")
    for goal in goals:
        print(f"  {goal}")


def _machine() -> str:
    """Tell on what is measured, without names that belong to it."""
    words = [
        time.strftime("%Y-%m-%d"),
        f"{os.cpu_count()} cores",
        f"Linux {platform.release().split('-')[0]}",
        f"Python {sys.version.split()[0]}",
        f"k6 {command.version(command.find())}",
    ]
    if others.wrk_there():
        told = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)  # it ends with 1
        words.append(f"wrk {(told.stdout + told.stderr).split()[1].removeprefix('debian/')}")
    return f"{', '.join(words)}, load {os.getloadavg()[0]:.2f}"


if __name__ == "__main__":
    main()
