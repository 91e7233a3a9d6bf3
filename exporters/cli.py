"""The command line of the sidecars: `dashcam exporter NAME...` and `python -m exporters NAME...`."""

import argparse
import asyncio
import difflib
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from exporters.collector import Context
from exporters.registry import collectors, names
from exporters.runner import Runner
from exporters.server import ServeError, Server, read_token

EXIT_FAILED, EXIT_USAGE = 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    listed = "; ".join(f"{name}: {kind.help}" for name, kind in sorted(collectors().items()))
    parser.add_argument("names", nargs="+", metavar="NAME", help=listed)
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:0", help="default: 127.0.0.1, a free port")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="bearer token (mode 0600) that clients must send"
    )
    parser.add_argument("--once", action="store_true", help="print one scrape and exit")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="read DIR/proc and DIR/sys")
    parser.add_argument("--run-id", metavar="ID", help="watch the programs of this run, and say so in each answer")
    parser.add_argument(
        "--pid", action="append", default=[], metavar="NAME=PID", help="watch this process tree as NAME"
    )
    parser.add_argument("--timeout", type=float, default=1.0, metavar="SECONDS", help="deadline of a collector")


def run(argv: Sequence[str]) -> int:
    """Parse `argv` and serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m exporters", description="Sidecar exporters of dashcam.")
    add_arguments(parser)
    return serve(parser.parse_args(argv))


def serve(options: argparse.Namespace) -> int:
    """Do what the arguments ask; returns the exit code."""
    try:
        runner = _runner(options)
        if options.once:
            text, failed = runner.scrape()
            sys.stdout.write(text.decode())
            if failed:
                print(f"failed: {', '.join(failed)}", file=sys.stderr)  # noqa: T201 - its answer
            return EXIT_FAILED if failed else 0
        host, port = _address(options.listen)
        server = Server(lambda: runner.scrape()[0], _token(options.token_file), options.run_id)
        asyncio.run(server.run(host, port, lambda address: print(f"listening {address}", flush=True)))  # noqa: T201
    except _UsageError as error:
        print(f"exporter: {error}", file=sys.stderr)  # noqa: T201 - its answer
        return EXIT_USAGE
    except ServeError as error:
        print(f"exporter: {error}", file=sys.stderr)  # noqa: T201 - its answer
        return EXIT_FAILED
    return 0


class _UsageError(Exception):
    """The arguments do not fit."""


def _runner(options: argparse.Namespace) -> Runner:
    kinds = collectors()
    for name in options.names:
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise _UsageError(f"no sidecar {name!r}: {hint}there are {', '.join(names())}")
    context = Context(
        proc=options.root / "proc",
        sys=options.root / "sys",
        run_id=options.run_id,
        pids=dict(_pid(word) for word in options.pid),
        environment=dict(os.environ),
    )
    chosen = {name: kinds[name].create(context) for name in dict.fromkeys(options.names)}
    return Runner(chosen, context, options.timeout, importlib.metadata.version("dashcam"))


def _token(path: Path | None) -> str:
    if path is None:
        raise _UsageError("--token-file is missing: nothing listens without a secret (or print once with --once)")
    return read_token(path)


def _pid(word: str) -> tuple[str, int]:
    name, _, pid = word.partition("=")
    if not name or not pid.isdecimal():
        raise _UsageError(f"--pid {word!r} is not NAME=PID")
    return name, int(pid)


def _address(word: str) -> tuple[str, int]:
    host, _, port = word.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise _UsageError(f"--listen {word!r} is not HOST:PORT")
    return host.strip("[]"), int(port)
