"""Become a program that ends with who started it: `python -m runs.follower SIGNAL -- PROGRAM ...`.

The kernel gives it SIGNAL when that is gone. A program of a Slurm step whose daemon is killed would else stay on the
node after the job's end, and a Prometheus over a copy of a recording would outlive a command that was killed.
"""

import os
import sys
from collections.abc import Sequence

from runs.parent import follow


def command(argv: Sequence[str], number: int) -> list[str]:
    """Return the command line of a program that gets that signal at the end of who starts it."""
    return [sys.executable, "-P", "-m", "runs.follower", str(int(number)), "--", *argv]


def main(argv: list[str]) -> int:
    """Become the program; returns only where that fails."""
    number, _, *words = argv
    follow(os.getppid(), int(number))
    try:
        os.execvp(words[0], words)  # noqa: S606 - the program that the recipe names
    except OSError as error:
        print(f"{words[0]} cannot be started: {error.strerror}", file=sys.stderr)  # noqa: T201 - the program's log
    return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
