"""The recipe: what a person asks for, as frozen models. Reading one from a file is `runs.reader`'s work."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from runs import nodes
from runs.allocation import Allocation
from runs.grid import Grid
from runs.nodes import Selected, Selection
from runs.paths import UserPath
from runs.phase import UNMEASURED, Phase
from runs.remote_write import RemoteWrite
from runs.scenario import SCHEDULE_SEED, Scenario
from runs.search import Search, judged
from runs.strict import Name, Strict
from runs.units import Duration, Quantity

__all__ = ["UNMEASURED", "Allocation", "Load", "Name", "Phase", "Recipe", "Service", "Strict", "Watch"]


Runtime = Literal["native", "apptainer"]


def _off(value: object) -> object:
    return "off" if value is False else value  # YAML 1.1 reads the word `off` as false


GrafanaMode = Annotated[Literal["auto", "off", "required"], BeforeValidator(_off)]


class Grafana(Strict):
    """The Grafana beside a run's Prometheus. Its mode alone is its short form."""

    mode: GrafanaMode = Field("auto", description="auto: where one is installed; required: the run fails without")
    listen: Literal["node", "loopback"] = Field(
        "node", description="the node's address, or 127.0.0.1: then only who may ssh to the node reaches it"
    )
    port: int | None = Field(None, ge=1024, le=65535, description="default: a free one")


def _grafana(value: object) -> object:
    return value if isinstance(value, dict | Grafana) else {"mode": value}


class Watch(Strict):
    """What is recorded, and how often. `interval` in seconds between scrapes."""

    interval: Duration = Field(1.0, ge=0.1, le=60)
    exporters: tuple[str, ...] = Field(("node", "cgroup", "process"), description="sidecars on every node")
    runtime: Runtime | None = Field(None, description="of Prometheus, Grafana and exporters; default: the recipe's")
    remote_write: RemoteWrite | None = Field(None, description="a site's store that the series are sent to as well")
    grafana: Annotated[Grafana, BeforeValidator(_grafana, json_schema_input_type=GrafanaMode | Grafana)] = Field(
        default_factory=lambda: Grafana.model_validate({}), description="auto, off, required, or {mode, listen, port}"
    )


class Service(Strict):
    """A program under test. Keys that its kind brings are read into `options`."""

    kind: str
    node: Selected = Field(0, description="the node it runs on: an index (0 is the head), `last`, or a component")
    nodes: Selection = Field(
        (), description="in place of node: an instance on each of several, as 2-3, [0, 2], every, or a component"
    )
    env: dict[str, str] = Field(default_factory=dict, description="environment variables (never for secrets)")
    ready_within: Duration = Field(120.0, gt=0, description="how long it may take to answer")
    runtime: Runtime | None = Field(None, description="default: the recipe's")
    image: UserPath | None = Field(None, description="a SIF file of one's own to run it in; default: the kind's image")
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _place(self) -> Self:
        if self.nodes and self.node:
            raise ValueError("give either node or nodes")
        return self


def _processes(value: object) -> object:
    if value in {"auto", "all"} or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 256):
        return value
    if isinstance(value, str) and value.isdecimal():
        return _processes(int(value))
    raise ValueError(f"{value!r} is no number of processes: write 1 to 256, `all` (one a core) or `auto`")


Processes = Annotated[int | Literal["auto", "all"], BeforeValidator(_processes)]


def _scenario(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


class Load(Strict):
    """What drives the service. Keys that its generator brings are read into `options`."""

    generator: str
    target: str | None = Field(
        None,
        description="the service that is driven (default: the only one), all its instances in turn; or one: NAME-0",
    )
    targets: dict[str, str] = Field(
        default_factory=dict, description="in place of target, where a generator drives several services: role: service"
    )
    node: Selected = Field(0, description="the node that the load runs on: an index, `last`, or a component")
    nodes: Selection = Field((), description="in place of node: several, as [0, 1], 1-last, every, or a component")
    processes: Processes = Field(
        "auto", description="load processes on each node; all: one a core; auto: one for each 2000 requests/s asked"
    )
    seed: int = Field(0, ge=0)
    timeout: Duration = Field(60.0, gt=0, description="a request that takes longer has failed")
    drain: Duration = Field(10.0, ge=0, description="how long requests in flight may take to finish after the end")
    phases: tuple[Phase, ...] = Field((), description="stretches of load, one after another; with search: warm-up")
    search: Search | None = Field(None, description="find the highest rate at which the objectives are met")
    scenario: Annotated[Scenario, BeforeValidator(_scenario)] | None = Field(
        None, description="a scenario of MLPerf inference: its kind, as single-stream, or {kind: server, rate: 20}"
    )
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _seeded(cls, values: Any) -> Any:
        """Take the seed that a scenario brings."""
        if isinstance(values, dict) and values.get("scenario") and not values.get("seed"):
            return {**values, "seed": SCHEDULE_SEED}
        return values

    @model_validator(mode="after")
    def _phases(self) -> Self:
        names = [phase.name for phase in self.stages]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"phase names are used twice: {', '.join(twice)}")
        if self.search is None and self.scenario is None and not any(phase.in_window for phase in self.phases):
            if not self.phases:
                raise ValueError("phases are missing: for example `phases: [{name: steady, for: 30s, rate: 5}]`")
            raise ValueError("no phase is measured: name one `steady`, or set measured: true")
        if self.nodes and self.node:
            raise ValueError("give either node or nodes")
        return self

    @model_validator(mode="after")
    def _searching(self) -> Self:
        if self.search is None and self.scenario is None:
            return self
        word = "search" if self.search is not None else "scenario"
        if self.search is not None and self.scenario is not None:
            raise ValueError("search and scenario do not go together: leave one out")
        if self.scenario is not None and self.seed != SCHEDULE_SEED:
            raise ValueError("a scenario brings the seeds of MLPerf's rules: leave `seed` out")
        if measured := [phase.name for phase in self.phases if phase.in_window]:
            raise ValueError(
                f"with a {word} all phases are warm-up, and {', '.join(measured)} is measured: "
                "name it `warmup`, or set measured: false"
            )
        if taken := [stage.name for stage in self.stages if stage.name.startswith(("probe-", "settle-"))]:
            raise ValueError(f"{', '.join(taken)}: such names are those of the search's own phases: rename it")
        if self.processes not in {1, "auto"} or self.nodes:
            raise ValueError(f"a {word} runs in one process: leave `processes` and `nodes` out")
        if self.search is not None and not self.drain:
            raise ValueError("a search needs a `drain`: what is open must end before the next probe, as drain: 10s")
        return self

    @property
    def stages(self) -> tuple[Phase, ...]:
        """The phases that are run, each step of a staircase one."""
        last = () if self.scenario is None else (self.scenario.phase,)
        return (*(stage for phase in self.phases for stage in phase.stages), *last)


class Recipe(Strict):
    """One benchmark: services on an allocation under a load, watched and judged."""

    name: Name = Field(description="part of the run id: a-z, 0-9 and -")
    description: str = ""
    allocation: Allocation = Field(default_factory=lambda: Allocation.model_validate({}))
    watch: Watch = Field(default_factory=lambda: Watch.model_validate({}))
    services: dict[Name, Service] = Field(
        default_factory=dict, description="programs under test; none where the load needs none (files, command)"
    )
    load: Load
    objectives: dict[str, Quantity] = Field(default_factory=dict, description="bounds: ttft_p99: 500ms, error_rate: 1%")
    sweep: Grid = Field(
        default_factory=dict,
        description="values of keys, a run for each point of the grid: {load.phases.1.rate: [5, 10]}",
    )
    repeats: int = Field(1, ge=1, le=100, description="how often each of these is run")
    runtime: Runtime = Field("native", description="how programs are started: found on PATH, or in Apptainer images")
    images: UserPath | None = Field(None, description="where image files are; default: $DASHCAM_IMAGES, the site's")
    binds: tuple[UserPath, ...] = Field(
        (), description="directories that programs in images see beside the run's own; default: the site's"
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        search, scenario = self.load.search, self.load.scenario
        if scenario is not None and (lacking := scenario.lacking(self.objectives)):
            raise ValueError(f"load.scenario: server is judged by objectives, and {lacking} is missing")
        if search is None:
            return self
        if parts := [name for name in self.objectives if "@" in name]:
            raise ValueError(f"load.search judges all requests together: {', '.join(parts)} is of some: leave it out")
        names = judged(self.objectives)
        if not names:
            raise ValueError(
                "load.search has no bound to look for: set objectives, as `objectives: {latency_p99: 200ms}` "
                "(rate and tokens_rate are none: a low rate never meets them)"
            )
        warm = sum(stage.duration for stage in self.load.stages)
        needs, has = warm + search.longest(names, self.load.drain), self.allocation.time - self.allocation.warning
        if needs > has:
            slowest = search.seconds(search.start, names)
            raise ValueError(
                f"load.search may take {needs:.0f} s (a probe at {search.start:g}/s alone {slowest:.0f} s, for the "
                f"samples that its percentile needs), and allocation.time less its warning leaves {has:.0f} s: give "
                "more time, a higher start, a lower percentile or a coarser resolution"
            )
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the services that the load drives; none where there is no service at all."""
        load = self.load
        aims = tuple(load.targets.values()) or ((load.target,) if load.target else tuple(self.services)[:1])
        return tuple(dict.fromkeys(self.aim(name)[0] for name in aims))

    def aim(self, name: str) -> tuple[str, int | None]:
        """Return the service that a target's name means, and the number of its instance; None: all of them."""
        service, _, number = name.rpartition("-")
        if name not in self.services and service in self.services and number.isdecimal():
            return service, int(number)
        return name, None

    def nodes_of(self, service: str) -> tuple[int, ...]:
        """Return the nodes that instances of a service run on. Raises SelectionError."""
        return placed(self.services[service], self.allocation)

    @property
    def load_nodes(self) -> tuple[int, ...]:
        """The nodes that the load runs on; the first of them leads. Raises SelectionError."""
        return placed(self.load, self.allocation)


def placed(part: Service | Load, allocation: Allocation) -> tuple[int, ...]:
    """Return the nodes of a service or a load. Raises SelectionError."""
    layout = allocation.layout
    return nodes.indices(part.nodes, layout) if part.nodes else (nodes.one(part.node, layout),)
