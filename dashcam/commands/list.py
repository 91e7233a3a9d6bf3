"""`dashcam list`: the runs of a place, oldest first."""

import argparse
import sys

from dashcam import arguments
from dashcam.commands.recover import if_dead
from jobs import status
from runs import runid
from runs.directory import RunDirectory

HELP = "list the runs, oldest first"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_root(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    runs = [RunDirectory(path) for path in runid.listing(options.root)]
    for run in runs:
        if_dead(run)
    rows = [status.of(run) for run in runs]
    if options.json:
        arguments.print_json([row.model_dump(mode="json") for row in rows])
        return 0
    if not rows:
        print(f"no runs in {options.root}", file=sys.stderr)
    width = max((len(row.id) for row in rows), default=0)
    for row in rows:
        print(
            f"{row.id:<{width}}  {row.state:<10} {row.ending or '':<11} {row.verdict or '':<8} {row.problem}".rstrip()
        )
    return 0
