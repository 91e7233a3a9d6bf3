"""Whether the nodes of a job reach one another's ports, see the recordings' place, and agree on the time."""

import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs.allocations.srun import Srun, StepError
from jobs.doctor import peer
from jobs.doctor.base import Check, Context, Line
from jobs.doctor.steps import accepted, hosts

_MOST = 8
_WITHIN = 20.0
_EXCHANGES = 25
_APART = 0.005
"""Seconds. Latencies that are measured on one node and explained by another's series are read at about this width."""


def _look(context: Context) -> Iterable[Line]:
    if not context.job:
        return
    here = socket.gethostname().partition(".")[0]
    others = [name for name in hosts() if name.partition(".")[0] != here]
    if not others:
        return
    if context.shared is None:
        yield Line("nodes", "degraded", "not looked at: where recordings go cannot be written to")
        return
    folder = context.shared / "peers"
    folder.mkdir(mode=0o700)
    (folder / peer.SECRET).touch(mode=0o600)
    (folder / peer.SECRET).write_text(secrets.token_urlsafe(24))
    try:
        srun = accepted(context.site.launcher, [others[0]])
    except StepError:
        return  # told by the check of srun
    for name in others[:_MOST]:
        yield from _node(name, folder, srun)
    if len(others) > _MOST:
        yield Line("nodes", "ok", f"{len(others) - _MOST} more were not asked")


def _node(name: str, folder: Path, srun: Srun) -> Iterator[Line]:
    try:
        address = socket.gethostbyname(name)
    except OSError as error:
        yield Line(name, "missing", f"has no address here: {error}", "ask the site", needed=True)
        return
    argv = [*srun.command(name, "doctor"), sys.executable, "-P", "-m", "jobs.doctor.peer", address, str(folder)]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/")
    try:
        port = _port(child, folder, name)
        if port is None:
            child.terminate()
            words = (child.communicate(timeout=5.0)[0] or b"").decode(errors="replace").strip().splitlines()
            mend = f"dashcam's environment and {folder.parent.parent} must be on a file system that all nodes share"
            yield Line(name, "missing", words[-1][:200] if words else "does not answer", mend, needed=True)
            return
        try:
            offset, trip = _offset(address, port, (folder / peer.SECRET).read_text())
        except OSError as error:
            mend = "nodes must reach each other's ports 20000-32000: ask the site"
            yield Line(name, "missing", f"port {port} at {address}: {error}", mend, needed=True)
            return
        child.wait(timeout=5.0)
    finally:
        if child.poll() is None:
            child.terminate()
    yield Line(name, "ok", f"reached at {address}, {1e6 * trip:.0f} us there and back; it sees the recordings' place")
    text = f"{1000 * offset:+.2f} ms against this node's (to {500 * trip:.2f} ms)"
    if abs(offset) > _APART + trip / 2:
        lost = "series of the two nodes do not line up, and the load's latencies do not with the service's"
        yield Line(f"{name}'s clock", "degraded", f"{text}: {lost}", "ask the site about NTP or PTP")
    else:
        yield Line(f"{name}'s clock", "ok", text)


def _port(child: "subprocess.Popen[bytes]", folder: Path, name: str) -> int | None:
    deadline = time.monotonic() + _WITHIN
    while time.monotonic() < deadline and child.poll() is None:
        for path in folder.glob("*.port"):
            if path.stem.partition(".")[0] == name.partition(".")[0]:
                return int(path.read_text())
        time.sleep(0.02)
    return None


def _offset(address: str, port: int, secret: str) -> tuple[float, float]:
    """Return by how much the other clock is ahead, and the round trip of the quickest exchange, seconds.

    As NTP does (RFC 5905, section 8), with one time stamp over there: the error is at most half the round trip. Raises
    OSError.
    """
    best: tuple[float, float] | None = None
    with (
        socket.create_connection((address, port), 5.0) as connection,
        connection.makefile("rwb", buffering=0) as stream,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.write(secret.encode() + b"\n")
        for _ in range(_EXCHANGES):
            sent = time.time()
            stream.write(b"t\n")
            answer = stream.readline(40)
            got = time.time()
            if not answer:
                raise OSError("it closes the connection")
            if best is None or got - sent < best[1]:
                best = float(answer) - (sent + got) / 2, got - sent
    if best is None:
        raise OSError("it tells no time")
    return best


CHECK = Check("nodes", "between nodes", _look, within=240.0, order=1)
