"""Arguments and answers that several commands share."""

import argparse
import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jobs import partitions
from jobs.catalog import catalog
from runs import placement, runid, variants
from runs import site as sites
from runs.directory import RunDirectory
from runs.document import Document
from runs.recipe import Allocation, Recipe
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


def add_sets(parser: argparse.ArgumentParser) -> None:
    """--set."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="sets",
        help="override a value of the recipe: --set load.phases.1.rate=40 (may be given again)",
    )


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """RECIPE and --set."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="a recipe file (recipes/ has examples)")
    add_sets(parser)
    runtimes = ("native", "apptainer")
    parser.add_argument("--runtime", action=_Set, choices=runtimes, help="as --set runtime=...: programs in images")
    parser.add_argument("--images", action=_Set, metavar="DIR", help="as --set images=DIR: where image files are")
    add_root(parser)


def add_site(parser: argparse.ArgumentParser) -> None:
    """--site: what is known of the cluster."""
    parser.add_argument(
        "--site",
        default=os.environ.get("DASHCAM_SITE", sites.DEFAULT),
        metavar="NAME|FILE",
        help=f"site profile: {', '.join(sites.names())}, or a file (default: $DASHCAM_SITE or {sites.DEFAULT})",
    )


def find_run(options: argparse.Namespace) -> RunDirectory:
    """Return the run that RUN names. Raises UnknownRunError."""
    return RunDirectory(runid.find(options.root, options.run))


def read_recipe(options: argparse.Namespace) -> tuple[Recipe, Document]:
    """Read and check RECIPE, at the first point of its sweep where it has one. Raises RecipeError."""
    first = read_variants(options)[0]
    return first.recipe, first.document


def read_variants(options: argparse.Namespace, site: sites.Site | None = None) -> list[Variant]:
    """Read and check RECIPE; returns all runs that it asks for. Raises RecipeError.

    For jobs of a site what that cannot give is among the errors.
    """
    known = catalog()
    if site is not None:
        whole = partitions.merged(site)

        def misfits(asked: Allocation) -> Iterable[placement.Misfit]:
            for number, each in enumerate(asked.each):
                for found in placement.misfits(whole, placement.inherited(each, os.environ)):
                    key = f"components.{number}.{found.key}" if asked.components else found.key
                    yield dataclasses.replace(found, key=key)

        known = dataclasses.replace(known, allocation=misfits)
    return variants.load(options.recipe, known, options.sets)


class _Set(argparse.Action):
    """An option that is short for --set: its name is the recipe's key."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any) -> None:
        """See `argparse.Action`."""
        del parser
        namespace.sets = [*namespace.sets, f"{self.dest}={values}"]


def print_json(value: Any) -> None:
    """Answer for programs."""
    print(json.dumps(value, indent=2, default=str))
