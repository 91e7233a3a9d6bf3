"""The command line of the sidecars: `dashcam exporter NAME...` and `python -m exporters NAME...`."""

import argparse
import asyncio
import difflib
import math
import os
import ssl
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from exporters.collector import Context, Late, Malformed, OptionError
from exporters.registry import collectors, names
from exporters.runner import CONTENT_TYPE, Runner, Watched
from exporters.secret import TokenError, read_token
from exporters.server import ServeError, Server, address_of, listen
from exporters.server_channel import context_of

EXIT_FAILED, EXIT_USAGE = 1, 2
_WITHIN = 0.85
"""Share of the deadline for which a collector may wait for a program."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments, those that the collectors bring included."""
    listed = "; ".join(f"{name}: {kind.help}" for name, kind in collectors().items())
    parser.add_argument("names", nargs="+", metavar="NAME", help=listed)
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:0", help="default: 127.0.0.1, a free port")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="bearer token (mode 0600) that clients must send"
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="serve by TLS (1.2 and later): certificate, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key (PEM, mode 0600)")
    parser.add_argument("--once", action="store_true", help="print one scrape and exit")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="read DIR/proc and DIR/sys")
    parser.add_argument("--run-id", metavar="ID", help="watch the programs of this run, and say so in each answer")
    parser.add_argument("--timeout", type=float, default=1.0, metavar="SECONDS", help="deadline of a collector")
    for name, kind in collectors().items():
        group = parser.add_argument_group(name) if kind.options else parser
        for option in kind.options:
            group.add_argument(
                f"--{option.name}", action="append", default=[], metavar=option.metavar, help=option.help
            )


def run(argv: Sequence[str]) -> int:
    """Parse `argv`, then print or serve; returns the exit code: 0 done, 1 failed, 2 not understood."""
    parser = argparse.ArgumentParser(prog="python -m exporters", description="Sidecar exporters of dashcam.")
    add_arguments(parser)
    try:
        options = parser.parse_args(argv)
    except SystemExit as end:  # argparse has said what is wrong, or shown its help
        return end.code if isinstance(end.code, int) else EXIT_USAGE
    return serve(options)


def serve(options: argparse.Namespace) -> int:
    """Do what the parsed arguments ask; returns the exit code."""
    try:
        if options.once:
            return _once(_runner(options))
        return _serve(options)
    except (_UsageError, OptionError) as error:
        print(f"exporter: {error}", file=sys.stderr)  # noqa: T201 - its answer
        return EXIT_USAGE
    except (ServeError, TokenError) as error:
        print(f"exporter: {error}", file=sys.stderr)  # noqa: T201 - its answer
        return EXIT_FAILED


class _UsageError(Exception):
    """The arguments do not fit."""


def _once(runner: Runner) -> int:
    scrape = runner.scrape()
    sys.stdout.write(scrape.text.decode())
    sys.stdout.flush()
    return EXIT_FAILED if scrape.failed else 0  # why was said on stderr


def _serve(options: argparse.Namespace) -> int:
    host, port = _address(options.listen)
    if options.token_file is None:
        raise _UsageError("--token-file is missing: nothing listens without a secret (or print once with --once)")
    runner = _runner(options)
    token = read_token(options.token_file)
    tls = _tls(options)
    bound = listen(host, port)
    address = address_of(bound)

    async def forever() -> None:
        server = Server(lambda: runner.scrape().text, CONTENT_TYPE, token, options.run_id, tls)
        await server.serve(bound, lambda: print(f"listening {address}", flush=True))  # noqa: T201 - its answer

    asyncio.run(forever())
    return 0


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    if (options.tls_cert is None) != (options.tls_key is None):
        raise _UsageError("--tls-cert and --tls-key go together: give both, or none to serve without TLS")
    if options.tls_cert is None:
        return None
    try:
        return context_of(options.tls_cert, options.tls_key)
    except OSError as error:
        raise ServeError(
            f"--tls-cert {options.tls_cert} with --tls-key {options.tls_key} cannot be used: "
            f"{error.strerror or error}; give a certificate and its key in PEM"
        ) from error


def _runner(options: argparse.Namespace) -> Runner:
    kinds = collectors()
    for name in options.names:
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise _UsageError(f"no sidecar {name!r}: {hint}there are {', '.join(names())}")
    if not (math.isfinite(options.timeout) and options.timeout > 0):
        raise _UsageError(f"--timeout {options.timeout:g} is not a number of seconds above 0")
    if options.run_id is not None and not (options.run_id.isascii() and options.run_id.isprintable()):
        raise _UsageError("--run-id must be printable ASCII: it is sent in a header")
    if not options.root.is_dir():
        raise _UsageError(f"--root {options.root} is not a folder")
    context = Context(
        proc_root=options.root / "proc",
        sys_root=options.root / "sys",
        run_id=options.run_id or None,
        environment=dict(os.environ),
        options={
            option.name: tuple(getattr(options, option.name.replace("-", "_")))
            for kind in kinds.values()
            for option in kind.options
        },
        within=options.timeout * _WITHIN,
    )
    watched = []
    for name in dict.fromkeys(options.names):
        malformed, late = Malformed(), Late()
        created = kinds[name].create(replace(context, malformed=malformed, late=late))
        watched.append(Watched(created, malformed, late))
    return Runner(watched, options.timeout, _version())


def _version() -> str:
    try:
        return metadata.version("dashcam")
    except metadata.PackageNotFoundError:
        return "unknown"


def _address(word: str) -> tuple[str, int]:
    host, _, port = word.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise _UsageError(f"--listen {word!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)
