"""`dashcam export`: a recording's blocks for a site's own store."""

import argparse
import sys
from pathlib import Path

from dashcam import arguments
from prometheus import thanos

HELP = "copy a recording's blocks for a site's Thanos, with labels; the recording stays as it is"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_run(parser)
    parser.add_argument("--thanos", type=Path, required=True, metavar="DIR", help="where the blocks are written")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        type=_label,
        metavar="NAME=VALUE",
        dest="labels",
        help="external label, beside run_id: --label cluster=meluxina (may be given again)",
    )
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    run = arguments.find_run(options)
    labels = {**dict(options.labels), "run_id": run.id}
    try:
        made = thanos.export(run.tsdb, options.thanos, labels)
    except OSError as error:
        print(f"dashcam: {options.thanos} cannot be written: {error}", file=sys.stderr)
        return 1
    if options.json:
        arguments.print_json({"id": run.id, "labels": labels, "blocks": [str(path) for path in made]})
    else:
        for path in made:
            print(path)
    return 0


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value
