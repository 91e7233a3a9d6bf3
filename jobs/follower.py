"""Become a program of a Slurm step that ends with its step: `python -m jobs.follower SIGNAL -- PROGRAM ...`.

When a step's daemon is killed, its program would stay on the node after the job's end, since nobody would know of it
any more. The kernel gives it SIGNAL then.
"""

import os
import sys

from runs.parent import follow


def main(argv: list[str]) -> int:
    """Become the program; returns only where that fails."""
    number, _, *command = argv
    follow(os.getppid(), int(number))
    try:
        os.execvp(command[0], command)  # noqa: S606 - the program that the recipe names
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)  # noqa: T201 - the program's log
    return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
