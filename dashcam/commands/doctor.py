"""`dashcam doctor`: whether a run could work here, what it would lose, and how that is mended."""

import argparse
import contextlib
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from dashcam import arguments
from jobs import exits, partitions
from jobs.catalog import catalog
from jobs.doctor import checks
from jobs.doctor.base import Context, Line, Where
from jobs.doctor.runner import examine
from runs import site as sites
from runs import variants

HELP = "check this machine, login node or job before a run: what is there, what is lost, what is missing"
_STYLES = {"ok": "green", "degraded": "yellow", "missing": "bold red"}
_WHERE = {"here": "this machine", "login": "a login node", "job": "a node of a job"}


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_site(parser)
    parser.add_argument("--recipe", type=Path, metavar="RECIPE", help="what is to be run: its needs are looked at too")
    arguments.add_sets(parser)
    arguments.add_root(parser)
    arguments.add_json(parser)
    parser.epilog = (
        "ok: as it should be. degraded: a run works and loses what the line says. missing: it is not there; the line\n"
        "below says how to mend it. Exit code 1 where something is missing that a run (of the recipe) needs."
    )


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    site = sites.load(options.site)
    recipe = variants.load(options.recipe, catalog(), options.sets)[0].recipe if options.recipe else None
    context = Context(site, recipe, options.root, _where())
    lines: list[tuple[str, Line]] = []
    console = Console(highlight=False, soft_wrap=True)
    group = ""
    if not options.json:
        console.print(f"{_WHERE[context.where]}, site profile {site.name}", style="bold")
    with contextlib.closing(examine(context, checks())) as answers:
        for check, found in answers:
            lines += [(check.group, line) for line in found]
            if not options.json and found:
                if check.group != group:
                    group = check.group
                    console.print(f"\n{group}", style="bold")
                for line in found:
                    _print(console, line)
    missing = [line for _, line in lines if line.state == "missing" and line.needed]
    if options.json:
        answer = [{"group": name, **asdict(line)} for name, line in lines]
        arguments.print_json({"site": site.name, "where": context.where, "ready": not missing, "checks": answer})
    else:
        counts = {state: sum(line.state == state for _, line in lines) for state in _STYLES}
        console.print(f"\n{counts['ok']} ok, {counts['degraded']} degraded, {counts['missing']} missing")
        what = f"{options.recipe}" if options.recipe else "a run"
        if missing:
            console.print(f"{escape(what)} needs what is missing: {escape(', '.join(line.what for line in missing))}")
        else:
            console.print(f"nothing is missing that {escape(what)} needs")
    sys.stdout.flush()
    return exits.FAILED if missing else 0


def _print(console: Console, line: Line) -> None:
    style = _STYLES[line.state]
    console.print(f"  [{style}]{line.state:<8}[/]  {escape(line.what):<28}  {escape(line.detail)}")
    if line.mend and line.state != "ok":
        console.print(f"  {'':<8}  {'':<28}  mend: {escape(line.mend)}", style="dim")


def _where() -> Where:
    if os.environ.get("SLURM_JOB_ID"):
        return "job"
    return "login" if partitions.ask() else "here"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
