"""A program that a run starts, as a value: what, where, how to tell that it is ready, how to stop it."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Role = Literal["service", "load", "sidecar", "prometheus", "grafana"]


class Probe(Protocol):
    """Tells whether a program answers, and that the answer is its own."""

    def check(self) -> str | None:
        """Return None when ready, else in a few words why not yet. Never raises for a program that is still down."""
        ...


@dataclass(frozen=True)
class Program:
    """One program of a run.

    `prepare` commands run to their end on the same node before the start. Times in seconds. An `essential` program
    takes the run with it when it dies; the death of another is noted and the run goes on. Who asks for a program must
    get it: one that does not start ends the run, unless it is a `bonus`, which is started because it happens to be
    installed. `without` names variables of our own environment that it must not inherit.

    `after` names a program, brought up at the same time, that must be ready before this one is prepared.

    `image` names the image that `argv` is a command line of; `reads` are paths of the node that it must see beside the
    run's own, `binds` such paths by their name inside (read-only), `pwd` its working directory there. Words INSIDE of
    `prepare` stand for all that runs a command in the same surroundings. `jobs.containers` makes a program that can be
    started of it, which is `contained`: what is started passes one signal on, and tells 128 + n for signal n.
    """

    name: str
    role: Role
    node: int
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    prepare: tuple[tuple[str, ...], ...] = ()
    probe: Probe | None = None
    ready_within: float = 30.0
    port: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 10.0
    essential: bool = True
    bonus: bool = False
    after: str | None = None
    image: str | None = None
    reads: tuple[str, ...] = ()
    binds: tuple[tuple[str, str], ...] = ()
    pwd: str = ""
    contained: bool = False


INSIDE = "{inside}"


class StartError(Exception):
    """A program could not be started or did not become ready; the text says which, why, and the mend."""
