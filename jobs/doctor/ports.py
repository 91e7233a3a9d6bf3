"""Free ports of this node, at its own address."""

import socket
from collections.abc import Iterable

from jobs.doctor.base import Check, Context, Line
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
    if context.where == "job" and address.startswith("127.") and len(_nodes()) > 1:
        yield Line("ports", "degraded", f"{name} is {address} to itself: other nodes cannot reach it there")
    try:
        free_ports(_MANY, address)
    except PortError as error:
        yield Line("ports", "missing", str(error), needed=True)
        return
    yield Line("ports", "ok", f"{_MANY} free ones of {PORTS.start}-{PORTS.stop} at {address}")


def _nodes() -> list[str]:
    from jobs.doctor.steps import hosts  # noqa: PLC0415 - asks Slurm, which is here in a job only

    return hosts()


CHECK = Check("ports", "node", _look, order=3)
