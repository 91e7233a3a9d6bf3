"""`dashcam recover`: a sealed recording of a run that was killed."""

import argparse
import sys

from dashcam import arguments, outcome
from jobs import living, recovering
from runs.directory import RunDirectory
from runs.manifest import Manifest, ManifestError

HELP = "make a sealed recording of what a killed run left (list, status and report do it by themselves)"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_run(parser)
    parser.add_argument(
        "--force",
        action="store_true",
        help="also a run that was begun on another machine, when you know that it is dead",
    )
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    run = arguments.find_run(options)
    manifest = Manifest.load(run.manifest)
    life = living.of(run, manifest)
    if life == "sealed":
        print(f"{run.id} is sealed: there is nothing to recover", file=sys.stderr)
    elif life == "dead" or (life == "elsewhere" and options.force):
        recovering.recover(run)
    elif life == "elsewhere":
        raise recovering.RecoverError(
            f"run {run.id} was begun on {living.elsewhere(manifest)}: run `dashcam recover` there, or add --force when "
            "you know that it is dead"
        )
    else:
        raise recovering.RecoverError(f"run {run.id} {'waits' if life == 'waits' else 'lives'}: `dashcam stop` ends it")
    manifest = Manifest.load(run.manifest)
    if options.json:
        arguments.print_json({"id": run.id, "was": life, "sealed": run.sealed, "ending": manifest.ending})
    else:
        print(outcome.describe(run, manifest))
    return 0


def if_dead(run: RunDirectory) -> None:
    """Recover a run that turns out to be dead, for commands that were asked something else; says so."""
    try:
        if run.sealed or living.of(run, Manifest.load(run.manifest)) != "dead":
            return
        print(f"dashcam: {run.id} was killed: recovering what it left", file=sys.stderr)
        recovering.recover(run)
    except (ManifestError, living.SlurmError, recovering.RecoverError) as error:
        print(f"dashcam: {error}", file=sys.stderr)
