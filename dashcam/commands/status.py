"""`dashcam status`: where a run stands."""

import argparse

from dashcam import arguments, outcome, view
from dashcam.commands.recover import if_dead
from jobs import status
from runs.manifest import Manifest

HELP = "say where a run stands: its state, processes, progress, verdict"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_run(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    run = arguments.find_run(options)
    if_dead(run)
    state = status.of(run)
    if options.json:
        arguments.print_json(state.model_dump(mode="json"))
        return 0
    print(f"{state.id}: {state.state}" + (f", {state.ending}" if state.ending else ""))
    if state.problem:
        print(f"  problem: {state.problem}")
    if state.state == "ended":
        print(outcome.describe(run, Manifest.load(run.manifest)))
        return 0
    for line in (*state.lines(), *view.summary(view.glance(run))):
        print(f"  {line}")
    return 0
