"""The command line of a group of benchmarks: `python -m benchmarks.GROUP [NAME...] [--short]`."""

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Mapping

from benchmarks.figures import Goal

Run = Callable[[bool], list[Goal]]
"""Runs one benchmark, with short rounds or long ones; prints its table and returns its goals."""


def main(
    group: str, benchmarks: Mapping[str, Run], programs: Callable[[], list[str]], lengths: tuple[str, str]
) -> None:
    """Run the benchmarks that are named, then say which goals are met.

    `programs`: names and releases of what is measured beside ours; `lengths`: how long short and long rounds take.
    """
    line = f"python -m benchmarks.{group}"
    parser = argparse.ArgumentParser(prog=line, description=f"`{line} [NAME...] [--short]`.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benchmarks)} (default: all)")
    short, long = lengths
    parser.add_argument("--short", action="store_true", help=f"fewer and shorter rounds: {short}, not {long}")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in benchmarks]:
        parser.error(f"no benchmark {', '.join(unknown)}: there are {', '.join(benchmarks)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped on the way out
    print(", ".join([*_machine(), *programs(), f"load {os.getloadavg()[0]:.2f}"]))
    goals: list[Goal] = []
    for name in options.names or benchmarks:
        goals += benchmarks[name](options.short)
    print(f"\nGoals{', of short rounds' if options.short else ''} (median of the rounds, smallest to largest)\n")
    for goal in goals:
        print(f"  {goal}")


def _machine() -> list[str]:
    """Tell on what is measured, without names that belong to it."""
    return [
        time.strftime("%Y-%m-%d"),
        f"{os.cpu_count()} cores",
        f"Linux {platform.release().split('-')[0]}",
        f"Python {sys.version.split()[0]}",
    ]
