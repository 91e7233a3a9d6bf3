"""`dashcam`: reads the command line, runs one command, turns known errors into one clear message."""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence

from apptainer.image import ImageError
from dashcam import commands
from grafana.tunnel import TunnelError
from jobs import exits
from jobs.containers import offer_prometheus
from jobs.living import SlurmError
from jobs.recovering import RecoverError
from jobs.stopping import StopError
from jobs.submit import SubmitError
from prometheus.client import PrometheusError
from reports.build import ReportError
from runs.document import RecipeError
from runs.manifest import ManifestError
from runs.runid import UnknownRunError
from runs.seal import SealError
from runs.site import SiteError

_EXITS = """exit codes:
  0 done and VALID   1 the run or the command failed   2 usage or recipe error
  3 done but INVALID   130 interrupted"""

_KNOWN = (
    *(SubmitError, StopError, RecoverError, SlurmError, ManifestError, SealError, PrometheusError, ReportError),
    *(TunnelError, ImageError),
)
"""Errors whose text says all that a person needs."""


def parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Build the parser with every command; with the arguments of the `chosen` one only, since commands load slowly."""
    top = argparse.ArgumentParser(
        prog="dashcam",
        description="A flight recorder for AI-service benchmarks on Slurm clusters.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"dashcam {importlib.metadata.version('dashcam')}")
    chooser = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in commands.names():
        if chosen is not None and name != chosen:
            chooser.add_parser(name)
            continue
        command = commands.load(name)
        sub = chooser.add_parser(
            name, help=command.HELP, description=command.HELP, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.add(sub)
        sub.set_defaults(execute=command.execute)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Usage errors leave through argparse with code 2."""
    words = sys.argv[1:] if argv is None else list(argv)
    chosen = words[0] if words and words[0] in commands.names() else None
    options = parser(chosen).parse_args(words)
    offer_prometheus(getattr(options, "images", None))
    try:
        code: int = options.execute(options)
    except RecipeError as error:
        print(f"dashcam: {error}", file=sys.stderr)
        return exits.USAGE
    except (UnknownRunError, SiteError) as error:
        print(f"dashcam: {error}", file=sys.stderr)
        return exits.USAGE
    except _KNOWN as error:
        print(f"dashcam: {error}", file=sys.stderr)
        return exits.FAILED
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: `dashcam list | head`
        return 0
    return code
