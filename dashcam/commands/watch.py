"""`dashcam watch`: see a run while it goes: its Grafana by an ssh tunnel, and the live view."""

import argparse
import contextlib
import getpass
import json
import shlex
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from dashcam import arguments
from dashcam.view import show
from grafana import address
from grafana.address import Address, Ssh
from grafana.tunnel import OPTIONS, Tunnel, TunnelError, free_port
from jobs import living
from runs import site as sites
from runs.directory import RunDirectory
from runs.manifest import Manifest

HELP = "show a run that goes: where its Grafana is, the tunnel there, and the live view"
_ASK_SLURM_EVERY = 10.0
_LOOK_EVERY = 0.5


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_run(parser)
    parser.epilog = (
        "RUN may be `-`: the answer of `dashcam watch RUN --json` is read from standard input, so that a person's own\n"
        "machine can open the tunnel: ssh LOGIN dashcam watch last --json | dashcam watch - --open"
    )
    arguments.add_site(parser)
    parser.add_argument(
        "--open", action="store_true", help="open the tunnel and keep it open until Ctrl-C, beside the live view"
    )
    parser.add_argument(
        "--local-port", type=int, metavar="N", help="port of the tunnel here (default: the usual one, or a free one)"
    )
    parser.add_argument(
        "--via", choices=("forward", "jump"), help="by the login host, or to the node itself (default: what can be)"
    )
    parser.add_argument("--ssh-config", type=Path, metavar="FILE", help="ssh's -F: in place of ~/.ssh/config")
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    if options.run == "-":
        return _show(options, _told(), lambda: False, None)
    site, run = sites.load(options.site), arguments.find_run(options)
    over = _over(run)
    found = _wait(run, site, over, patient=options.open or (sys.stderr.isatty() and not options.json))
    if found is None:
        state = Manifest.load(run.manifest).state
        ended = run.sealed or state == "ended"
        mend = f"`dashcam report {run.id}` or `dashcam replay {run.id}`" if ended else f"`dashcam status {run.id}`"
        print(
            f"dashcam: {run.id} {'has ended' if ended else f'is {state}, not to be seen yet'}: {mend}", file=sys.stderr
        )
        return 1
    return _show(options, found, over, run)


def _show(options: argparse.Namespace, found: Address, over: Callable[[], bool], run: RunDirectory | None) -> int:
    if options.open and not found.here:
        return _open(options, found, over, run)
    if options.json:
        arguments.print_json(_facts(found, None))
    else:
        print(address.describe(found), flush=True)
    if run is not None and not options.json and sys.stderr.isatty():
        try:
            show(run, over)
        except KeyboardInterrupt:
            print(f"the run goes on: `dashcam stop {run.id}` ends it", file=sys.stderr)
    return 0


def _open(options: argparse.Namespace, found: Address, over: Callable[[], bool], run: RunDirectory | None) -> int:
    ways = [via for via in found.ways if (via == "jump" or found.login) and options.via in {None, via}]
    if not ways:
        way = f" by {options.via}" if options.via else ""
        raise TunnelError(f"no tunnel to it can be opened{way}\n{address.describe(found)}")
    port = free_port(options.local_port, found.local_port)
    config = ("-F", str(options.ssh_config)) if options.ssh_config else ()
    argv = Ssh(found).by(ways[0], port, (*config, *OPTIONS))
    url = found.local(port)
    screen = run is not None and not options.json and sys.stderr.isatty()
    said = [""]  # the tunnel's last word, which a screen shows at its foot

    def say(text: str) -> None:
        said.append(text)
        if not screen:
            print(text, file=sys.stderr, flush=True)

    try:
        with (
            _authority(found) as ca_file,
            Tunnel(argv, url + found.answers, say, ca_file) as tunnel,
        ):
            if options.json:
                arguments.print_json(_facts(found, url))
            else:
                print(f"{found.title} of {found.run}: {url}\n  user {found.user}, password in {found.password_file}")
                if ca_file is not None:
                    print(f"  certificate by the run's own CA, here in {ca_file} while the tunnel is open")
                print("  Ctrl-C closes the tunnel; the run goes on")
            sys.stdout.flush()
            with _view(run, over, lambda: f"{url}  {said[-1]}") if screen else contextlib.nullcontext():
                tunnel.keep(over)
    except KeyboardInterrupt:
        return 0
    print(f"the run has ended: `dashcam report {found.run}`", file=sys.stderr)
    return 0


@contextlib.contextmanager
def _view(run: RunDirectory | None, over: Callable[[], bool], place: Callable[[], str]) -> Iterator[None]:
    """Show the run beside what the caller does. In a thread: an ssh must stay the child of the thread that lasts."""
    done = threading.Event()
    if run is None:
        yield
        return
    thread = threading.Thread(target=show, args=(run, lambda: done.is_set() or over()), kwargs={"place": place})
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()  # it gives the screen back


@contextlib.contextmanager
def _authority(found: Address) -> Iterator[Path | None]:
    """Keep the CA of a page of https in a file of this machine, which may not have the run directory."""
    if found.ca is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="dashcam-") as folder:
        path = Path(folder) / "ca.pem"
        path.write_text(found.ca)
        yield path


def _facts(found: Address, local_url: str | None) -> dict[str, object]:
    ssh = Ssh(found)
    tunnels = {} if found.here else {via: shlex.join(ssh.by(via, found.local_port)) for via in found.ways}
    password = shlex.join(ssh.read_password())
    return {**found.model_dump(), "tunnels": tunnels, "read_password": password, "local_url": local_url}


def _told() -> Address:
    """Read what another machine's `watch --json` said. Raises TunnelError."""
    try:
        words = json.loads(sys.stdin.read())
        fields = {key: value for key, value in words.items() if key in Address.model_fields}
        return Address.model_validate({**fields, "here": False})
    except (ValueError, AttributeError) as error:
        if not isinstance(error, ValidationError):
            raise TunnelError("standard input is not the answer of `dashcam watch RUN --json`") from error
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors())
        raise TunnelError(f"standard input is not the answer of `dashcam watch RUN --json`: {problems}") from error


def _wait(run: RunDirectory, site: sites.Site, over: Callable[[], bool], *, patient: bool) -> Address | None:
    """Return where the run is to be seen; a patient caller is kept until there is something, or never will be."""
    said = False
    while True:
        found = address.of(Manifest.load(run.manifest), site, getpass.getuser())
        if found is not None and found.ca_file is not None:
            with contextlib.suppress(OSError):  # the run may end at this moment
                found = found.model_copy(update={"ca": Path(found.ca_file).read_text()})
        if found is not None or not patient or over():
            return found
        if not said:
            said = True
            print(f"{run.id} is not to be seen yet; waiting for it", file=sys.stderr, flush=True)
        time.sleep(_LOOK_EVERY)


def _over(run: RunDirectory) -> Callable[[], bool]:
    """Return what tells whether the run is over: its seal, its supervisor, its job (asked seldom: Slurm is shared)."""
    dead = living.Asked(lambda: living.of(run, Manifest.load(run.manifest)) == "dead", _ASK_SLURM_EVERY)
    return lambda: run.sealed or dead.over()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
