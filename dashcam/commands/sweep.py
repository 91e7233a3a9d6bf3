"""`dashcam sweep`: the runs of a sweep, and what their points make of each other."""

import argparse
import sys

from dashcam import arguments, sweeps
from dashcam.commands.compare import width
from dashcam.commands.recover import if_dead
from jobs import stopping
from jobs import sweeps as made

HELP = "tell of a sweep: a line a run, and its points held against the first"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    parser.add_argument("sweep", metavar="SWEEP", help="its id, a unique prefix, a run of it, or `last`")
    parser.add_argument("--stop", action="store_true", help="end its runs first: what waits is withdrawn")
    arguments.add_root(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`. The exit code is 0 whatever came of the runs: it was asked how they are."""
    if options.stop:
        # The last first: else each that ends would let the next begin.
        for member in reversed(made.find(options.root, options.sweep).members):
            print(f"{member.run.id}: {stopping.stop(member.run)}", file=sys.stderr)
    return tell(options, options.sweep) and 0


def tell(options: argparse.Namespace, reference: str) -> int:
    """Print a sweep; returns the exit code that its runs stand for. Raises UnknownRunError."""
    for member in made.find(options.root, reference).members:
        if_dead(member.run)
    sweep = made.find(options.root, reference)
    if options.json:
        arguments.print_json(sweeps.as_json(sweep))
    else:
        print(sweeps.text(sweep, width()))
    return sweeps.code(sweep)
