"""`dashcam stop`: end a run; what there is gets sealed."""

import argparse

from dashcam import arguments
from jobs import stopping

HELP = "end a run, and seal what there is; also after its supervisor was killed"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_run(parser)
    parser.add_argument(
        "--within", type=float, default=120.0, metavar="SECONDS", help="how long to wait (default: 120)"
    )
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    run = arguments.find_run(options)
    what = stopping.stop(run, options.within)
    if options.json:
        arguments.print_json({"id": run.id, "outcome": what, "sealed": run.sealed})
    else:
        print(f"{run.id}: {what}")
    return 0
