"""`dashcam submit`: hand a recipe to Slurm and return."""

import argparse
import sys

from dashcam import arguments
from jobs import submit
from runs import placement
from runs import site as sites

HELP = "hand a recipe to Slurm and return; `status`, `stop` and `report` take the run's id"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_recipe(parser)
    arguments.add_site(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    site = sites.load(options.site)
    recipe, document = arguments.read_recipe_for(options, site)
    run = submit.create(recipe, document, options.root, "slurm", site)
    job = submit.slurm(run, recipe, site)
    for hint in placement.hints(site, recipe.allocation):
        print(f"dashcam: {hint}", file=sys.stderr)
    if options.json:
        arguments.print_json({"id": run.id, "job": job, "path": str(run.path)})
    else:
        print(f"{run.id} is Slurm job {job}\nrecording: {run.path}")
    return 0
