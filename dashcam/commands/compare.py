"""`dashcam compare`: runs side by side."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence

from dashcam import arguments, comparison, outcome
from reports import compare, differences
from reports.build import ReportError
from reports.compare import Run
from runs import runid
from runs.directory import RunDirectory
from runs.manifest import Manifest

HELP = "say in what runs differ, and whether it is more than noise; repeats of a recipe are one column"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="an id, a unique prefix, a path, or `last`")
    arguments.add_root(parser)
    parser.add_argument("--each", action="store_true", help="a column for each run, repeats of a recipe too")
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`. The first run given is what the others are held against."""
    places = dict.fromkeys(RunDirectory(runid.find(options.root, reference)) for reference in options.runs)
    if len(places) < 2:
        print("dashcam: name two runs at least: `dashcam list` shows what there is", file=sys.stderr)
        return 2
    runs = [_read(place) for place in places]
    keys = [run.manifest.id if options.each else differences.kind(run.manifest) for run in runs]
    columns = compare.columns(runs, keys)
    rows = compare.rows(columns)
    unlike = _unlike(columns)
    if options.json:
        arguments.print_json(comparison.as_json(columns, rows, unlike))
        return 0
    print(comparison.text(columns, rows, unlike, width()))
    return 0


def _read(place: RunDirectory) -> Run:
    manifest, summary = Manifest.load(place.manifest), outcome.summary(place)
    if not summary:
        mend = f"`dashcam report {place.id}` makes it" if place.sealed else f"`dashcam status {place.id}` tells why"
        raise ReportError(f"{place.path} has no readable summary.json: {mend}")
    return Run(manifest, summary)


def _unlike(columns: Sequence[compare.Column]) -> dict[str, list[comparison.Unlike]]:
    """Return in what columns differ; runs of one column do not, but for their nodes' names."""
    firsts = [column.runs[0].manifest for column in columns]
    return {
        "recipe": differences.recipes(firsts),
        "programs": differences.versions(firsts),
        "nodes": differences.nodes(firsts),
    }


def width() -> int:
    """Return how wide what is printed may be."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() or "COLUMNS" in os.environ else 100
