"""`dashcam submit`: hand a recipe to Slurm and return."""

import argparse

from dashcam import arguments
from jobs import submit

HELP = "hand a recipe to Slurm and return; `status`, `stop` and `report` take the run's id"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_recipe(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    recipe, document = arguments.read_recipe(options)
    run = submit.create(recipe, document, options.root, "slurm")
    job = submit.slurm(run, recipe)
    if options.json:
        arguments.print_json({"id": run.id, "job": job, "path": str(run.path)})
    else:
        print(f"{run.id} is Slurm job {job}\nrecording: {run.path}")
    return 0
