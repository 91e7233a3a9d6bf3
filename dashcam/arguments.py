"""Arguments and answers that several commands share."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from jobs.catalog import catalog
from runs import runid, variants
from runs.directory import RunDirectory
from runs.document import Document
from runs.recipe import Recipe
from runs.variants import Variant


def add_root(parser: argparse.ArgumentParser) -> None:
    """--root: where recordings are."""
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(os.environ.get("DASHCAM_ROOT", "recordings")),
        metavar="DIR",
        help="where recordings are (default: $DASHCAM_ROOT or ./recordings)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json: the answer for programs."""
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def add_run(parser: argparse.ArgumentParser) -> None:
    """RUN: a run that exists."""
    parser.add_argument("run", metavar="RUN", help="an id, a unique prefix, a path, or `last`")
    add_root(parser)


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """RECIPE and --set."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="a recipe file (recipes/ has examples)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="sets",
        help="override a value: --set load.phases.1.rate=40 (may be given again)",
    )
    add_root(parser)


def find_run(options: argparse.Namespace) -> RunDirectory:
    """Return the run that RUN names. Raises UnknownRunError."""
    return RunDirectory(runid.find(options.root, options.run))


def read_recipe(options: argparse.Namespace) -> tuple[Recipe, Document]:
    """Read and check RECIPE, at the first point of its sweep where it has one. Raises RecipeError."""
    first = read_variants(options)[0]
    return first.recipe, first.document


def read_variants(options: argparse.Namespace) -> list[Variant]:
    """Read and check RECIPE; returns all runs that it asks for. Raises RecipeError."""
    return variants.load(options.recipe, catalog(), options.sets)


def print_json(value: Any) -> None:
    """Answer for programs."""
    print(json.dumps(value, indent=2, default=str))
