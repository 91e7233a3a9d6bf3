"""Start a program of a Slurm step so that it can be stopped alone: `python -m jobs.leader SIGNAL -- PROGRAM ...`.

`scancel` signals every process of a step. For a program in an image that is the end of what mounts the image, before
the program itself has stopped. SIGURG does nothing to whoever does not ask for it: this process passes it on as SIGNAL,
to its child alone. The child's exit code becomes this one's, 128 + n for signal n.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from runs.parent import follow

STOP = signal.SIGURG


def command(argv: Sequence[str], number: int) -> list[str]:
    """Return the command line of a program that is stopped alone, by that signal."""
    return [sys.executable, "-P", "-m", "jobs.leader", str(int(number)), "--", *argv]


def main(argv: list[str]) -> int:
    """Run the program to its end."""
    number, _, *words = argv
    asked: list[int] = []
    child: list[subprocess.Popen[bytes]] = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        asked.append(int(number))
        for each in child:
            each.send_signal(int(number))

    def ignore(_number: int, _frame: FrameType | None) -> None:
        """Stay for the child: it has got this signal, too."""

    signal.signal(STOP, stop)
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, ignore)
    follow(os.getppid(), STOP)  # its step's daemon: without that nobody would know of the program any more
    try:
        child.append(subprocess.Popen(words))
    except OSError as error:
        print(f"{words[0]} cannot be started: {error.strerror}", file=sys.stderr)  # noqa: T201 - the program's log
        return 127
    if asked:  # between the two lines above
        child[0].send_signal(asked[0])
    code = child[0].wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
