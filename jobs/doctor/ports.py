"""Free ports of this node, at its own address."""

import contextlib
import socket
from collections.abc import Iterable, Iterator

from jobs.doctor.base import Check, Context, Line
from jobs.doctor.steps import hosts
from jobs.node import PORTS, PortError, free_ports

_MANY = 32


def _look(context: Context) -> Iterable[Line]:
    name = socket.gethostname()
    address = "127.0.0.1"
    if context.where != "here":
        try:
            address = socket.gethostbyname(name)
        except OSError as error:
            mend = "the head must know its own name, as others do: ask the site"
            yield Line("ports", "missing", f"{name} has no address here: {error}", mend, needed=context.where == "job")
            return
    if context.job and address.startswith("127.") and not all(other.startswith("127.") for other in _addresses()):
        mend = f"/etc/hosts gives {name} a loopback address: ask the site"
        text = f"{name} is {address} to itself, where other nodes cannot reach it"
        yield Line("ports", "missing", text, mend, needed=True)
    try:
        free_ports(_MANY, address)
    except PortError as error:
        yield Line("ports", "missing", str(error), needed=True)
        return
    yield Line("ports", "ok", f"{_MANY} free ones of {PORTS.start}-{PORTS.stop} at {address}")


def _addresses() -> Iterator[str]:
    for name in hosts():
        with contextlib.suppress(OSError):
            yield socket.gethostbyname(name)


CHECK = Check("ports", "node", _look, order=3)
