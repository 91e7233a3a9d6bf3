"""`dashcam recover`: a sealed recording of a run that was killed."""

import argparse
import sys

from dashcam import arguments, outcome
from jobs import living, recovering, status
from jobs.status import Status
from runs.directory import RunDirectory
from runs.manifest import Manifest, ManifestError
from runs.seal import SealError

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
    if life == "sealed" and manifest.unfinished:
        recovering.finish(run)
    elif life == "sealed":
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


def current(run: RunDirectory) -> Status:
    """Return the status of a run; one that is dead or was sealed in haste is recovered first, which is said."""
    found = status.of(run)
    if found.dead:
        _recover(run)
    elif found.unfinished:
        _finish(run)
    else:
        return found
    return status.of(run)


def if_dead(run: RunDirectory) -> None:
    """Recover a run that turns out to be dead, for commands that were asked something else; says so."""
    try:
        manifest = Manifest.load(run.manifest)
        if run.sealed and manifest.unfinished:
            _finish(run)
        elif not run.sealed and living.of(run, manifest) == "dead":
            _recover(run)
    except (ManifestError, living.SlurmError) as error:
        print(f"dashcam: {error}", file=sys.stderr)


def _recover(run: RunDirectory) -> None:
    print(f"dashcam: {run.id} was killed: recovering what it left", file=sys.stderr)
    try:
        recovering.recover(run)
    except (ManifestError, recovering.RecoverError) as error:
        print(f"dashcam: {error}", file=sys.stderr)


def _finish(run: RunDirectory) -> None:
    print(f"dashcam: {run.id} was sealed in haste: making its blocks and its report", file=sys.stderr)
    try:
        recovering.finish(run)
    except (ManifestError, recovering.RecoverError, SealError) as error:
        print(f"dashcam: {error}", file=sys.stderr)
