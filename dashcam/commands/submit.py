"""`dashcam submit`: hand a recipe to Slurm and return."""

import argparse
import sys

from dashcam import arguments
from dashcam.commands.run import follow, hand_over
from jobs import exits, sweeps
from runs import placement
from runs import site as sites

HELP = "hand a recipe to Slurm and return; `status`, `stop` and `report` take the run's id"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_recipe(parser)
    arguments.add_site(parser)
    parser.add_argument("--wait", action="store_true", help="stay until the job is over, and say what came of it")
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`. Without --wait, 1 where Slurm did not take all runs of a sweep."""
    site = sites.load(options.site)
    variants = arguments.read_variants(options, site)
    places = sweeps.plan(variants)
    taken = hand_over(options, site, variants, places)
    for hint in dict.fromkeys(
        hint for each in variants[0].recipe.allocation.each for hint in placement.hints(site, each)
    ):
        print(f"dashcam: {hint}", file=sys.stderr)
    if options.wait:
        return follow(options, taken, quiet=True)
    answers = [{"id": run.id, "job": job, "path": str(run.path)} for run, job in taken]
    first = places[0]
    if options.json:
        arguments.print_json(answers[0] if first is None else {"sweep": first.id, "of": first.of, "runs": answers})
    else:
        for run, job in taken:
            print(f"{run.id} is Slurm job {job}\nrecording: {run.path}")
        if first is not None:
            print(f"sweep: {first.id}: `dashcam sweep {first.id}` tells how it is")
    return exits.VALID if len(taken) == len(variants) else exits.FAILED
