"""What a service kind is asked, and what it answers: programs to start, an endpoint to drive, metrics to scrape."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from apptainer.image import Image
from jobs.program import Program, Role
from jobs.services.about import About
from loadtests.plan import Target
from prometheus.config import Scrape
from prometheus.web import Certificate


@dataclass(frozen=True)
class Peer:
    """A further node for an instance that runs over several. `scratch` of the instance has the same path there."""

    node: int
    node_name: str
    address: str
    port: Callable[[int | None], int]
    """As `Context.port`, of that node."""
    gpus: int | None = None


@dataclass(frozen=True)
class Context:
    """What a service kind may use to plan one instance of itself on one node."""

    run_id: str
    name: str
    node: int
    node_name: str
    address: str
    scratch: Path
    """Node-local, private to this instance; it does not exist yet, and is removed after the run."""
    live: Path
    """Seen by all nodes, mode 0700, removed before the seal: the place of secrets."""
    ready_within: float
    env: dict[str, str]
    port: Callable[[int | None], int]
    """Give a free port of the node, or the asked one after a check. Raises jobs.node.PortError."""
    secret: Callable[[str, str], Path]
    """Keep (file name, value) in a 0600 file under `live` and return its path."""
    otlp_grpc: Callable[[], str | None]
    """Give host:port of the node's receiver of OTLP/gRPC, for a program that speaks no OTLP/HTTP; None: there is none.

    `env` tells programs of the receiver of OTLP/HTTP already.
    """
    certificate: Certificate | None = None
    """What sidecars that come with the service are to show; None: they speak plain HTTP, as the service itself does."""
    gpus: int | None = None
    """GPUs of the node, as its kernel knows them; None: unknown."""
    image: Image | None = None
    """What the service's own programs run in: they are named as the image has them, with `Program.image` set to its
    name. None: natively."""
    beside: Callable[[str], Image | None] = lambda _name: None
    """Give the image, by its name, for a program beside the service; None: it runs natively, if it is there."""
    peers: Callable[[int], Sequence[Peer]] = lambda _count: ()
    """Give up to so many nodes that follow this one in the allocation, for an instance that runs over several."""
    shared: Path | None = None
    """The site's scratch on its shared file system; None: the site's profile names none."""

    @property
    def own(self) -> Program:
        """The service's own program as all kinds have it: a kind gives it words, a probe and a port."""
        return Program(
            name=self.name,
            role=SERVICE_ROLE,
            node=self.node,
            argv=(),
            env=self.env,
            ready_within=self.ready_within,
            image=self.image.name if self.image else None,
        )

    def page(self, port: int) -> Scrape:
        """Return the target of a page of the service's metrics on that port."""
        return Scrape(job=self.name, role=SERVICE_ROLE, node=self.node_name, address=f"{self.address}:{port}")

    def program(self, name: str, mend: str) -> str:
        """Return the program of the image, or that of the name on PATH. Raises PlanError with what mends its want."""
        found = (self.image.program or name) if self.image else shutil.which(name)
        if found is None:
            raise PlanError(f"service {self.name}: no program {name} on PATH: {mend}")
        return found


def said(*argv: str, within: float = 20.0) -> str:
    """Return what a program prints of itself; empty where it cannot be asked."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=within).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


@dataclass(frozen=True)
class ServicePlan:
    """One instance of a service: its programs (the service first), and how it is driven and watched."""

    programs: tuple[Program, ...]
    target: Target
    scrapes: tuple[Scrape, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


class PlanError(Exception):
    """A service cannot be started here; the text says what is missing and the mend."""


class ServiceKind(Protocol):
    """One file of the catalogue.

    Options may hold `common`, a class variable: defaults of keys that all services have, as {"ready_within": "15m"}.
    A key `span` among them says over how many nodes, from its own on, an instance runs (`Context.peers`).
    A kind may have `image`, the name of the image that it can run in (`apptainer/images/`).
    """

    kind: str
    Options: type[BaseModel]
    about: About

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """Say how to run one instance. Raises PlanError where something needed is not here."""
        ...


SERVICE_ROLE: Role = "service"
