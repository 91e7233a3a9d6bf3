"""`dashcam report`: judge and render a recording again."""

import argparse

from dashcam import arguments
from dashcam.commands.recover import if_dead
from dashcam.commands.run import answer
from jobs import rejudge

HELP = "judge a recording again and render its report anew (its other files stay as sealed)"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_run(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    run = arguments.find_run(options)
    if_dead(run)
    rejudge.rejudge(run)
    return answer(run, as_json=options.json)
