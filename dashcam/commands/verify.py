"""`dashcam verify`: hold a recording against its seal."""

import argparse
import dataclasses

from dashcam import arguments
from runs import seal

HELP = "check that a recording is byte for byte what was sealed"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_run(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    run = arguments.find_run(options)
    result = seal.verify(run)
    if options.json:
        arguments.print_json({"id": run.id, "intact": result.intact, **dataclasses.asdict(result)})
    else:
        for word, names in (("changed", result.changed), ("missing", result.missing), ("added", result.added)):
            for name in names:
                print(f"{word}: {name}")
        print(f"{run.id}: {result.checked} files, " + ("intact" if result.intact else "NOT as sealed"))
    return 0 if result.intact else 1
