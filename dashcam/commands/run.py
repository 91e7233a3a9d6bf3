"""`dashcam run`: the whole line, from a recipe to a judged, sealed recording."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from dashcam import arguments, outcome
from dashcam.commands import sweep
from dashcam.commands.recover import if_dead
from dashcam.view import show
from jobs import exits, living, recovering, submit, sweeps
from runs import site as sites
from runs.directory import RunDirectory
from runs.manifest import Manifest, Place
from runs.variants import Variant

HELP = "run a recipe here or on Slurm, wait, and say what came of it"
_ASK_SLURM_EVERY = 2.0


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_recipe(parser)
    parser.add_argument(
        "--on",
        choices=("auto", "local", "slurm"),
        default="auto",
        help="where: here, or as a job of Slurm; auto (default): in the allocation that you hold and are in, else here",
    )
    arguments.add_site(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    where, site = submit.where(options.on), sites.load(options.site)
    variants = arguments.read_variants(options, site if where == "slurm" else None)
    places = sweeps.plan(variants)
    if where == "slurm":
        return follow(options, hand_over(options, site, variants, places), quiet=options.json)
    first = places[0]
    if first is None:
        run = submit.create(variants[0].recipe, variants[0].document, options.root, where, site)
        _local(run, quiet=options.json)
        return answer(run, as_json=options.json)
    interrupted = False
    for variant, place in zip(variants, places, strict=True):
        assert place is not None  # noqa: S101 - all runs of a sweep have one
        try:
            run = submit.create(variant.recipe, variant.document, options.root, where, site, place=place)
        except submit.SubmitError as error:
            print(f"dashcam: run {place.number} of {place.of}: {error}", file=sys.stderr)
            continue
        said = ", ".join(f"{key} = {value}" for key, value in place.values.items())
        print(f"run {place.number} of {place.of}: {said or f'repeat {place.repeat}'}", file=sys.stderr)
        try:
            interrupted = _local(run, quiet=options.json)
        except recovering.RecoverError as error:
            print(f"dashcam: {error}", file=sys.stderr)  # the runs after it are still worth doing
        if interrupted:
            break
    code = sweep.tell(options, first.id)
    return exits.INTERRUPTED if interrupted else code


def hand_over(
    options: argparse.Namespace, site: sites.Site, variants: Sequence[Variant], places: Sequence[Place | None]
) -> list[tuple[RunDirectory, str]]:
    """Submit all runs; returns those that Slurm took, with their jobs. Raises SubmitError where it took none."""
    taken: list[tuple[RunDirectory, str]] = []
    refused: list[submit.SubmitError] = []
    for variant, place in zip(variants, places, strict=True):
        try:
            run = submit.create(variant.recipe, variant.document, options.root, "slurm", site, place=place)
            taken.append((run, submit.slurm(run, variant.recipe, site)))
        except submit.SubmitError as error:
            refused.append(error)
            if place is not None:
                print(f"dashcam: run {place.number} of {place.of} was not submitted: {error}", file=sys.stderr)
    if not taken:
        raise refused[0]
    return taken


def follow(options: argparse.Namespace, taken: Sequence[tuple[RunDirectory, str]], *, quiet: bool) -> int:
    """Stay until the jobs are over, and tell what came of them; returns the exit code."""
    for run, job in taken:
        print(f"{run.id} is Slurm job {job}", file=sys.stderr)
    for run, job in taken:
        _until_over(run, job, quiet=quiet)
    place = Manifest.load(taken[0][0].manifest).sweep
    return answer(taken[0][0], as_json=options.json) if place is None else sweep.tell(options, place.id)


def answer(run: RunDirectory, *, as_json: bool) -> int:
    """Tell what came of a run; returns its exit code."""
    manifest = Manifest.load(run.manifest)
    if as_json:
        arguments.print_json({**outcome.summary(run), "run": manifest.model_dump(mode="json"), "path": str(run.path)})
    else:
        print(outcome.describe(run, manifest))
    return exits.of(manifest)


def _local(run: RunDirectory, *, quiet: bool) -> bool:
    """Have a run supervised to its seal; returns whether somebody asked us to stop it."""
    supervisor, asked = submit.local(run), False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        supervisor.terminate()

    # The supervisor has a session of its own: Ctrl-C reaches it through us, once.
    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        show(run, lambda: supervisor.poll() is not None, quiet=quiet)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if not run.sealed:
        _explain(run, supervisor)
        recovering.recover(run, *exits.unsealed(run, supervisor.returncode))
    return asked


def _explain(run: RunDirectory, supervisor: "subprocess.Popen[bytes]") -> None:
    """Say why a supervisor could not seal: its log knows, unless the disk was full."""
    print(
        f"dashcam: the supervisor ended with {supervisor.returncode} before the seal: recovering what it left",
        file=sys.stderr,
    )
    log = run.logs / "supervisor.log"
    if log.is_file():
        lines = log.read_text(errors="replace").splitlines()[-15:]
        print("".join(f"    | {line}\n" for line in lines), end="", file=sys.stderr)


def _until_over(run: RunDirectory, job: str, *, quiet: bool) -> None:
    """Follow until Slurm has no such job any more: one that was put back into the queue is not over with its seal."""
    try:
        show(run, living.Asked(lambda: living.job_state(job) is None, _ASK_SLURM_EVERY).over, quiet=quiet)
    except KeyboardInterrupt:
        print(f"the job goes on: `dashcam stop {run.id}` ends it", file=sys.stderr)
        raise
    if_dead(run)
