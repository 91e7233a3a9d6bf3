"""The recipe: what a person asks for, as frozen models. Reading one from a file is `runs.reader`'s work."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from runs.units import Duration, Quantity

UNMEASURED = ("warmup", "warm-up", "ramp", "drain", "cooldown")
"""Phase names that are not part of the measured window unless the recipe says `measured: true`."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]


class Strict(BaseModel):
    """Base of everything a person writes: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Allocation(Strict):
    """The nodes asked for. `time` in seconds. A local run uses what it can and says what it has no use for."""

    nodes: int = Field(1, ge=1, le=10_000, description="how many nodes")
    time: Duration = Field(1200.0, gt=0, description="time limit of the whole run, set-up and report included")
    gpus_per_node: int = Field(0, ge=0)
    cpus_per_node: int | None = Field(None, ge=1, description="cores asked of Slurm on each node; default: the site's")
    memory: str | None = Field(None, description="memory a node, as Slurm's --mem takes it: 8G")
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    reservation: str | None = None
    constraint: str | None = None
    warning: Duration = Field(120.0, gt=0, description="how long before the time limit the run starts to wind up")


class Watch(Strict):
    """What is recorded, and how often. `interval` in seconds between scrapes."""

    interval: Duration = Field(1.0, ge=0.1, le=60)
    exporters: tuple[str, ...] = Field(("node", "cgroup", "process"), description="sidecars on every node")
    grafana: Literal["auto", "off"] = "auto"


class Service(Strict):
    """A program under test. Keys that its kind brings are read into `options`."""

    kind: str
    node: int = Field(0, ge=0, description="index of the node it runs on; 0 is the head")
    env: dict[str, str] = Field(default_factory=dict, description="environment variables (never for secrets)")
    ready_within: Duration = Field(120.0, gt=0, description="how long it may take to answer")
    options: dict[str, Any] = Field(default_factory=dict)


class Phase(Strict):
    """A stretch of load. Open loop: `rate` in requests/s. Closed loop: `users` that each wait for their answer."""

    name: Name
    duration: Duration = Field(alias="for", gt=0, description="how long the phase lasts")
    rate: float | None = Field(None, gt=0, description="open loop: requests per second")
    arrival: Literal["constant", "poisson"] = Field("poisson", description="open loop: spacing of the requests")
    users: int | None = Field(None, ge=1, description="closed loop: concurrent users")
    think: Duration = Field(0.0, ge=0, description="closed loop: pause between an answer and the next request")
    measured: bool | None = Field(None, description="part of the measured window; default: by the phase's name")

    @model_validator(mode="after")
    def _one_loop(self) -> Self:
        if (self.rate is None) == (self.users is None):
            raise ValueError("give either rate (open loop) or users (closed loop)")
        return self

    @property
    def in_window(self) -> bool:
        """Whether this phase's requests count in the headline figures."""
        return self.name not in UNMEASURED if self.measured is None else self.measured


class Load(Strict):
    """What drives the service. Keys that its generator brings are read into `options`."""

    generator: str
    target: str | None = Field(None, description="the service that is driven; default: the only one")
    targets: dict[str, str] = Field(
        default_factory=dict, description="in place of target, where a generator drives several services: role: service"
    )
    node: int = Field(0, ge=0, description="index of the node that the load runs on")
    seed: int = Field(0, ge=0)
    timeout: Duration = Field(60.0, gt=0, description="a request that takes longer has failed")
    drain: Duration = Field(10.0, ge=0, description="how long requests in flight may take to finish after the end")
    phases: tuple[Phase, ...] = Field(min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _phases(self) -> Self:
        names = [phase.name for phase in self.phases]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"phase names are used twice: {', '.join(twice)}")
        if not any(phase.in_window for phase in self.phases):
            raise ValueError("no phase is measured: name one `steady`, or set measured: true")
        return self


class Recipe(Strict):
    """One benchmark: services on an allocation under a load, watched and judged."""

    name: Name = Field(description="part of the run id: a-z, 0-9 and -")
    description: str = ""
    allocation: Allocation = Field(default_factory=lambda: Allocation.model_validate({}))
    watch: Watch = Field(default_factory=lambda: Watch.model_validate({}))
    services: dict[Name, Service] = Field(min_length=1)
    load: Load
    objectives: dict[str, Quantity] = Field(default_factory=dict, description="bounds: ttft_p99: 500ms, error_rate: 1%")

    @model_validator(mode="after")
    def _places(self) -> Self:
        nodes = self.allocation.nodes
        for name, service in self.services.items():
            if service.node >= nodes:
                raise ValueError(
                    f"services.{name}.node is {service.node}, but the allocation has nodes 0 to {nodes - 1}"
                )
        if self.load.node >= nodes:
            raise ValueError(f"load.node is {self.load.node}, but the allocation has nodes 0 to {nodes - 1}")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the services that the load drives."""
        return tuple(dict.fromkeys(self.load.targets.values())) or (self.load.target or next(iter(self.services)),)
