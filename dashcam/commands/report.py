"""`dashcam report`: judge and render a recording again."""

import argparse
import sys
from pathlib import Path

from dashcam import arguments
from dashcam.commands.recover import if_dead
from dashcam.commands.run import answer
from jobs import exits, rejudge
from runs import atomic
from runs.directory import RunDirectory

_WORDS = {"empty": "empty", "undrawable": "cannot be drawn"}

HELP = "judge a recording again and render its report anew (its other files stay as sealed)"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_run(parser)
    parser.add_argument(
        "--dashboard",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="draw a dashboard that was exported from Grafana (JSON) too; needs --out (may be given again)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the report there, and leave the recording as it was sealed"
    )
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    run = arguments.find_run(options)
    if_dead(run)
    if options.out is None and not options.dashboard:
        rejudge.rejudge(run)
        return answer(run, as_json=options.json)
    if trouble := _trouble(options.out, run):
        print(f"dashcam: {trouble}", file=sys.stderr)
        return exits.USAGE
    facts, page = rejudge.elsewhere(run, options.dashboard)
    try:
        atomic.write(options.out, page)
    except OSError as error:
        print(f"dashcam: {options.out} cannot be written: {error}", file=sys.stderr)
        return exits.FAILED
    if options.json:
        arguments.print_json({"report": str(options.out), "dashboards": facts["dashboards"]})
        return 0
    for board in facts["dashboards"]:
        told = [f"{board['drawn']} of {board['panels']} panels drawn"]
        told += [f"{len(board[state])} {word}" for state, word in _WORDS.items() if board[state]]
        print(f"{board['title']}: {', '.join(told)}")
    print(f"report: {options.out}")
    return 0


def _trouble(out: Path | None, run: RunDirectory) -> str:
    if out is None:
        return "--dashboard changes no recording: say where the report goes, as --out report.html"
    if out.resolve().is_relative_to(run.path.resolve()):
        return f"{out} is inside the recording, which stays as it was sealed: choose another place for --out"
    return ""
