"""`python -m benchmarks.exporters [NAME...] [--short]`."""

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.exporters import growth, memory, page, ratio, share
from benchmarks.exporters.stage import node_exporter_binary
from benchmarks.figures import Goal

BENCHMARKS: dict[str, Callable[..., list[Goal]]] = {
    "ratio": ratio.run,
    "memory": memory.run,
    "share": share.run,
    "growth": growth.run,
    "page": page.run,
}


def main() -> None:
    """Run the benchmarks that are named, then say which goals are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exporters", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--short", action="store_true", help="fewer and shorter rounds: 2 minutes, not 10")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {', '.join(unknown)}: there are {', '.join(BENCHMARKS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped on the way out
    print(_machine())
    goals: list[Goal] = []
    for name in options.names or BENCHMARKS:
        goals += BENCHMARKS[name](short=options.short)
    print(f"\nGoals{', of short rounds' if options.short else ''} (median of the rounds, smallest to largest)\n")
    for goal in goals:
        print(f"  {goal}")


def _machine() -> str:
    """Tell on what is measured, without names that belong to it."""
    version = subprocess.run([node_exporter_binary(), "--version"], capture_output=True, text=True, check=True)
    words = (version.stdout or version.stderr).split()
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, "
        f"Python {sys.version.split()[0]}, node_exporter {words[2]}, load {os.getloadavg()[0]:.2f}"
    )


if __name__ == "__main__":
    main()
