"""`dashcam run`: the whole line, from a recipe to a judged, sealed recording."""

import argparse
import signal
import subprocess
import sys
from types import FrameType

from dashcam import arguments, outcome
from dashcam.commands.recover import if_dead
from dashcam.view import show
from jobs import exits, living, recovering, submit
from runs import site as sites
from runs.directory import RunDirectory
from runs.manifest import Manifest

HELP = "run a recipe here or on Slurm, wait, and say what came of it"
_ASK_SLURM_EVERY = 2.0


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_recipe(parser)
    parser.add_argument("--on", choices=("local", "slurm"), default="local", help="where (default: local)")
    arguments.add_site(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    site, in_job = sites.load(options.site), options.on == "slurm"
    recipe, document = arguments.read_recipe_for(options, site) if in_job else arguments.read_recipe(options)
    run = submit.create(recipe, document, options.root, options.on, site)
    if in_job:
        job = submit.slurm(run, recipe, site)
        print(f"{run.id} is Slurm job {job}", file=sys.stderr)
        _until_over(run, job, quiet=options.json)
    else:
        _local(run, quiet=options.json)
    return answer(run, as_json=options.json)


def answer(run: RunDirectory, *, as_json: bool) -> int:
    """Tell what came of a run; returns its exit code."""
    manifest = Manifest.load(run.manifest)
    if as_json:
        arguments.print_json({**outcome.summary(run), "run": manifest.model_dump(mode="json"), "path": str(run.path)})
    else:
        print(outcome.describe(run, manifest))
    return exits.of(manifest)


def _local(run: RunDirectory, *, quiet: bool) -> None:
    supervisor = submit.local(run)

    def stop(_number: int, _frame: FrameType | None) -> None:
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
        recovering.recover(run)


def _explain(run: RunDirectory, supervisor: "subprocess.Popen[bytes]") -> None:
    """Say why a supervisor could not seal: its log knows, unless the disk was full."""
    print(
        f"dashcam: the supervisor ended with {supervisor.returncode} before the seal: recovering what it left",
        file=sys.stderr,
    )
    log = run.logs / "supervisor.log"
    if log.is_file():
        print(
            "".join(f"    | {line}\n" for line in log.read_text(errors="replace").splitlines()[-15:]), file=sys.stderr
        )


def _until_over(run: RunDirectory, job: str, *, quiet: bool) -> None:
    """Follow until Slurm has no such job any more: one that was put back into the queue is not over with its seal."""
    try:
        show(run, living.Asked(lambda: living.job_state(job) is None, _ASK_SLURM_EVERY).over, quiet=quiet)
    except KeyboardInterrupt:
        print(f"the job goes on: `dashcam stop {run.id}` ends it", file=sys.stderr)
        raise
    if_dead(run)
