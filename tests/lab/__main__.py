"""`python -m tests.lab`: install what the lab needs, hold a lab open, or run one command in it."""

import argparse
import signal
import subprocess
import sys
import threading

from tests.lab import install
from tests.lab.errors import LabError
from tests.lab.slurm import SlurmLab


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install munge and Slurm (Debian, root or sudo); nothing is started")
    up = commands.add_parser("up", help="start a lab and hold it until Ctrl-C")
    run = commands.add_parser("run", help="start a lab, run a command in it as its ordinary user, stop it")
    run.add_argument("argv", nargs="+", metavar="ARG", help="the command, after --")
    for command in (up, run):
        command.add_argument("--kill-wait", type=int, default=10, help="seconds between TERM and KILL (10)")
    return parser


def _install() -> int:
    done = install.install()
    sys.stdout.write(f"installed {', '.join(done)}\n" if done else "everything is installed\n")
    return 0


def _up(lab: SlurmLab) -> int:
    """Say how to enter the lab from another terminal, and wait for a signal."""
    env = [f"{name}={value}" for name, value in lab.env.items()]
    shell = " ".join(["env", "-i", "TERM=$TERM", *env, *lab.user_command(["bash", "--norc"])])
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    sys.stdout.write(f"The lab is up. A shell in it:\n  {shell}\nCtrl-C stops it.\n")
    sys.stdout.flush()
    asked.wait()
    return 0


def _run(lab: SlurmLab, argv: list[str]) -> int:
    """Run the command in the user's home (which the caller's folder may be closed to), its input and output ours."""
    return subprocess.run(lab.user_command(argv), env=lab.env, check=False).returncode


def main() -> int:
    """Do what the command line says; the exit code is the command's, or 1 when the lab fails."""
    options = _parser().parse_args()
    try:
        if options.command == "install":
            return _install()
        with SlurmLab(kill_wait=options.kill_wait) as lab:
            return _up(lab) if options.command == "up" else _run(lab, options.argv)
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
