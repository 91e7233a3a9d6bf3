"""The batch process of a Slurm job: starts the supervisor, passes signals on, and does its last duty if it is killed.

`python -m jobs.guard RUN_DIRECTORY [--lost WHY]`. Two processes, since one that gets SIGKILL can do nothing any more.
When the one that started us is gone (Slurm's step daemon was killed) the run is wound up.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from jobs import attempts, exits
from jobs.journal import say
from runs.directory import RunDirectory
from runs.manifest import Ending as EndingWord
from runs.manifest import Manifest
from runs.parent import follow

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


def main(argv: list[str]) -> int:
    """Have a run supervised to its seal; returns the exit code that it stands for."""
    follow(os.getppid())
    run = RunDirectory(Path(argv[0]))
    asked: list[int] = []
    child: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for each in child:
            each.send_signal(number)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    attempts.begin_again(run)
    ending: EndingWord = "cancelled"
    reason = "asked to stop before the start"
    if "--lost" in argv:  # the batch script could not make the environment that the site's profile asks for
        ending, reason = "failed", argv[argv.index("--lost") + 1]
    elif not asked:
        argv = [sys.executable, "-P", "-m", "jobs.supervisor", str(run.path), "--parent", str(os.getpid())]
        child.append(subprocess.Popen(argv))
        for early in asked:  # before there was anybody to pass it on to
            child[0].send_signal(early)
        code = child[0].wait()
        if run.sealed:
            return code
        say(f"the supervisor ended with {code} before the seal: recovering")
        ending, reason = exits.unsealed(run, code)
    from jobs import recovering  # noqa: PLC0415 - 70 MB and half a second that a run which goes well does not need

    try:
        recovering.recover(run, ending, reason)
    except recovering.RecoverError as error:
        say(str(error))  # Slurm's log
        return exits.FAILED
    return exits.of(Manifest.load(run.manifest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
