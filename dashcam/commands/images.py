"""`dashcam images`: the container images of services and of the recorder itself, for Apptainer."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from apptainer import definition
from apptainer.cache import VARIABLE, Cache, Check, directory, version
from apptainer.image import Image, ImageError, find, images
from dashcam import arguments

HELP = "list, pull, build and verify the container images that Apptainer runs services in"

_ACTIONS = {
    "list": "which there are, which of them are here",
    "pull": "fetch images that are taken as upstream gives them (all that are missing, or those named)",
    "build": "build one of its definition file",
    "check": "verify files by their SHA-256, and say which images have no digest",
}


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, words in _ACTIONS.items():
        sub = actions.add_parser(name, help=words, description=words)
        one = name == "build"
        sub.add_argument("name", metavar="IMAGE", nargs=None if one else "*", help="a name of `dashcam images list`")
        sub.add_argument(
            "--images",
            type=Path,
            metavar="DIR",
            help=f"where image files are (default: ${VARIABLE}, else ~/.cache/dashcam/images)",
        )
        if name in {"pull", "build"}:
            sub.add_argument("--force", action="store_true", help="also where the image is here already")
        else:
            arguments.add_json(sub)
        if name == "check":
            sub.add_argument("--quick", action="store_true", help="compare sizes only")
        if name == "build":
            sub.add_argument(
                "--build-arg",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                help="for a {{ NAME }} of the definition",
            )
            sub.add_argument("--fakeroot", action="store_true", help="as apptainer build takes it")


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    cache = Cache(directory(options.images))
    if options.action == "build":
        return _build(cache, find(options.name), options)
    chosen = [find(name) for name in options.name] or list(images().values())
    if options.action == "pull":
        return _pull(cache, chosen, named=bool(options.name), force=options.force)
    thorough = options.action == "check" and not options.quick
    checks = [cache.check(image, thorough=thorough) for image in chosen]
    if options.json:
        arguments.print_json({"directory": str(cache.root), "images": [_row(check) for check in checks]})
    elif options.action == "list":
        _list(cache, checks)
    else:
        _tell(cache, checks)
    if options.action == "list":
        return 0
    bad = {"damaged", "unknown", "other"} | ({"missing"} if options.name else set())
    return int(any(check.state in bad for check in checks))


def _row(check: Check) -> dict[str, Any]:
    sif = check.sif.model_dump(mode="json") if check.sif else None
    pin = check.image.model_dump(exclude={"name"})
    return {"name": check.image.name, "state": check.state, "detail": check.detail, "path": str(check.path)} | {
        "pin": {**pin, "reference": check.image.reference},
        "sif": sif,
    }


def _list(cache: Cache, checks: list[Check]) -> None:
    print(f"images in {cache.root}")
    for check in checks:
        image = check.image
        pin = image.digest.removeprefix("sha256:")[:12] if image.digest else "unpinned"
        print(f"  {check.state:8} {image.name:18} {image.tag:30} {pin:13} {image.title}")


def _tell(cache: Cache, checks: list[Check]) -> None:
    if missing := [check.image.name for check in checks if check.state == "missing"]:
        print(f"missing  {', '.join(missing)}: `dashcam images pull NAME` (or `build`) where there is a network")
    for check in checks:
        if check.state == "missing":
            continue
        words = check.detail or f"{check.path.name} is what was made, of {check.sif.reference if check.sif else '?'}"
        print(f"{check.state:8} {check.image.name}: {words}")
    for image in (check.image for check in checks if check.image.digest is None):
        print(f"unpinned {image.name}: {image.unpinned}")
    for path in cache.strangers(list(images().values())):
        print(f"stranger {path.name} belongs to no image of this release")


def _pull(cache: Cache, chosen: list[Image], *, named: bool, force: bool) -> int:
    program = _apptainer()
    failed = []
    for image in chosen:
        if image.definition and not named:
            print(f"{image.name} is built, not pulled: dashcam images build {image.name}", file=sys.stderr)
            continue
        if not force and cache.check(image, thorough=False).state == "good":
            print(f"{image.name} is here: {cache.path(image)}")
            continue
        if image.digest is None:
            print(f"{image.name} is not pinned: {image.unpinned}", file=sys.stderr)
        try:
            sif = cache.pull(image, program)
        except ImageError as error:
            failed.append(str(error))
            print(f"dashcam: {error}", file=sys.stderr)
            continue
        print(f"{image.name}: {cache.path(image)}, {sif.size >> 20} MiB, sha256 {sif.sha256}")
    return int(bool(failed))


def _build(cache: Cache, image: Image, options: argparse.Namespace) -> int:
    made = definition.load(image)
    if wrong := list(definition.check(made, image)):
        raise ImageError("\n".join([f"apptainer/definitions/{image.definition}:", *(f"  {each}" for each in wrong)]))
    values = dict(word.partition("=")[::2] for word in options.build_arg)
    if unknown := sorted(values.keys() - made.variables):
        raise ImageError(
            f"{image.definition} has no {{{{ {unknown[0]} }}}}: it has {', '.join(sorted(made.variables))}"
        )
    if missing := [name for name in made.needed if name not in values]:
        raise ImageError(f"{image.definition} needs {' '.join(f'--build-arg {name}=...' for name in missing)}")
    program = _apptainer()
    if not options.force and cache.check(image, thorough=False).state == "good":
        print(f"{image.name} is here: {cache.path(image)} (--force builds it anew)")
        return 0
    with tempfile.NamedTemporaryFile("w", suffix=".def") as file:
        file.write(definition.text(image))
        file.flush()
        sif = cache.build(image, program, Path(file.name), values, fakeroot=options.fakeroot)
    print(f"{image.name}: {cache.path(image)}, {sif.size >> 20} MiB, sha256 {sif.sha256}")
    return 0


def _apptainer() -> str:
    program = shutil.which("apptainer")
    if program is None:
        raise ImageError(
            "no program apptainer on PATH: load its module (on MeluXina in a job, not on a login node: `module load "
            "env/release/2024.1 Apptainer/1.3.6-GCCcore-13.3.0`), or copy the images from where there is one"
        )
    version(program)
    return program
