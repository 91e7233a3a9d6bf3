"""`dashcam dashboards`: Grafana dashboards as JSON, and what is known of them."""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dashcam import arguments
from grafana import archive, check, known, presence, promql
from grafana.board import Board, View
from grafana.choose import fitting
from grafana.dashboards import boards
from jobs import exits
from jobs.catalog import catalog
from prometheus import replay, snapshot
from runs import reader
from runs.directory import RunDirectory
from runs.manifest import Manifest
from runs.recipe import Recipe

HELP = "write the Grafana dashboards, check them, or tell which panels of a run have data"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    parser.add_argument(
        "recipe", type=Path, nargs="?", metavar="RECIPE", help="only what can have data in a run of it (default: all)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the dashboards' JSON there")
    parser.add_argument("--check", action="store_true", help="check structure, PromQL (by promtool) and metric names")
    parser.add_argument(
        "--run",
        metavar="RUN",
        help="tell for each panel of a recorded run's dashboards whether it has data, and why not",
    )
    arguments.add_root(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    if options.run is not None:
        if options.recipe is not None:
            print("dashcam: give either RECIPE or --run", file=sys.stderr)
            return exits.USAGE
        return _look(arguments.find_run(options), options)
    recipe = None if options.recipe is None else reader.load(options.recipe, catalog(), [])[0]
    chosen = boards() if recipe is None else fitting(recipe)
    view = View(interval=1.0 if recipe is None else recipe.watch.interval)
    if options.out is not None:
        archive.write_all(options.out, chosen, view)
    problems = _problems(chosen, view) if options.check else []
    _tell(chosen, problems, options)
    return exits.FAILED if problems else 0


def _tell(chosen: tuple[Board, ...], problems: list[str], options: argparse.Namespace) -> None:
    counts = {board.name: sum(len(section.panels) for section in board.sections) for board in chosen}
    if options.json:
        written = None if options.out is None else str(options.out)
        arguments.print_json({"dashboards": counts, "out": written, "problems": problems})
        return
    for board in chosen:
        print(f"{board.name:<10} {counts[board.name]:>3} panels  {board.description}")
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)
    if options.out is not None:
        print(f"written to {options.out}")
    if options.check:
        print("the check found nothing" if not problems else f"{len(problems)} problems", flush=True)


def _problems(chosen: tuple[Board, ...], view: View) -> list[str]:
    made = {board.name: board.json(view) for board in chosen}
    problems = check.dashboards(made)
    expressions = [expr for board in made.values() for _title, expr in check.expressions(board)]
    try:
        promql.check(promql.fill(expr, promql.PLACES) for expr in expressions)
    except promql.PromtoolError as error:
        problems.append(str(error))
    names = frozenset().union(*(promql.metrics(expr) for expr in expressions))
    return problems + [
        f"metric {name} was never seen: record a run that has it, or give the reason in grafana/metrics.yaml"
        for name in known.unknown(names)
    ]


def _look(run: RunDirectory, options: argparse.Namespace) -> int:
    blocks = snapshot.blocks(run.tsdb)
    if not blocks:
        print(f"dashcam: {run.id} holds no series: the run ended before the first scrape", file=sys.stderr)
        return exits.FAILED
    try:
        recipe = Recipe.model_validate(Manifest.load(run.manifest).recipe)
    except ValidationError as error:
        print(f"dashcam: {run.id} was made by another dashcam, which knows more of recipes: {error}", file=sys.stderr)
        return exits.FAILED
    first, last = min(block.start for block in blocks), max(block.end for block in blocks)
    window = presence.Window(run.id, first, last, recipe.watch.interval)
    with (
        tempfile.TemporaryDirectory(prefix="dashcam-dashboards-") as scratch,
        replay.open_blocks(run.tsdb, Path(scratch)) as opened,
    ):
        folder = run.dashboards
        if not archive.read(folder):  # of a dashcam that had none yet
            folder = Path(scratch) / "dashboards"
            archive.write(folder, run.id, recipe)
        found = list(presence.look(folder, opened.client, recipe, window))
    if options.json:
        arguments.print_json([_facts(each) for each in found])
    else:
        _list(found)
    return exits.FAILED if any(each.fault for each in found) else 0


def _facts(each: presence.Presence) -> Mapping[str, Any]:
    state = {"empty": each.empty, "reason": each.reason, "queries": each.queries, "answered": each.answered}
    return {"dashboard": each.dashboard, "panel": each.panel, **state}


def _list(found: list[presence.Presence]) -> None:
    """Print a line a dashboard, and below it the reasons with the panels that are empty for them."""
    for name in dict.fromkeys(each.dashboard for each in found):
        mine = [each for each in found if each.dashboard == name]
        print(f"{name}: {sum(not each.empty for each in mine)} of {len(mine)} panels have data")
        empty = [each for each in mine if each.empty]
        for reason in dict.fromkeys(each.reason for each in empty):
            titles = ", ".join(each.panel for each in empty if each.reason == reason)
            print(f"  {reason or 'EMPTY, AND NO REASON IS KNOWN'}\n    {titles}")
