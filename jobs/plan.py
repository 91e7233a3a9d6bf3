"""From a recipe and its nodes to everything that will be started: programs, scrape targets, the load."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from apptainer.image import Image
from grafana import server as grafana_server
from grafana.provisioning import Source
from jobs.certificates import issue
from jobs.containers import Containers, offer_prometheus, shared_scratch
from jobs.grafana import Beside, Planned
from jobs.load import Driving
from jobs.node import PortError, available
from jobs.program import Program
from jobs.prometheus import plan as planned_prometheus
from jobs.services import catalogue
from jobs.services.base import Context, Peer, PlanError, ServicePlan
from jobs.sidecars import Sidecars
from loadtests.plan import Series
from prometheus.config import Scrape
from prometheus.web import Certificate, Credentials, base_url, write_web_config
from runs.directory import RunDirectory
from runs.manifest import ImageFile, Node
from runs.recipe import Recipe
from runs.site import Site

PORTS_PER_NODE = 32


@dataclass(frozen=True)
class Plan:
    """What a run starts. Programs of `first` are started at once; the load follows when they are ready."""

    first: tuple[Program, ...]
    load: tuple[Program, ...]
    go_file: Path
    scrapes: tuple[Scrape, ...]
    prometheus_url: str
    prometheus_user: str
    prometheus_password: Path
    prometheus_ca: Path | None
    prometheus_data: Path
    endpoints: Mapping[str, str]
    versions: Mapping[str, str]
    images: Mapping[str, ImageFile]
    notes: tuple[str, ...]


@dataclass
class Planner:
    """Collects the parts of one plan."""

    run: RunDirectory
    recipe: Recipe
    nodes: Sequence[Node]
    ports: Sequence[list[int]]
    scratch: Path
    site: Site = field(default_factory=lambda: Site(name="unknown"))
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _sidecars: Sidecars = field(init=False)
    _certificates: Mapping[int, Certificate] = field(init=False)
    _containers: Containers = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the sidecars: services are told where they listen."""
        watch = self.recipe.watch
        self._certificates = issue(self.run, self.recipe, self.nodes)
        self._containers = Containers.of(self.run, self.recipe, self.scratch, self.site.paths)
        offer_prometheus(self._containers.cache.root)  # for the end of the run
        self._sidecars = Sidecars(
            *(self.run, watch.exporters, watch.interval, lambda node: self._port(node, None)),
            *(self._certificates, self.versions, self.notes, self.scratch),
            image=self._beside,
        )

    def plan(self) -> Plan:
        """Say everything that the run starts. Raises PlanError, PortError."""
        instances = {name: self._instances(name) for name in self.recipe.services}
        services = [service for found in instances.values() for service in found]
        offered = [scrape for service in services for scrape in service.scrapes]
        pages = [scrape for scrape in offered if self._sidecars.reads(scrape)]
        scrapes = [scrape for scrape in offered if scrape not in pages]
        programs = [program for service in services for program in service.programs]
        if "page" in self.recipe.watch.exporters and not pages:
            raise PlanError(
                "watch.exporters has `page`, but no service has a page to read by it: "
                "give one of kind `command` a `metrics` path and `metrics_keep`, or leave `page` out"
            )
        for node in self.nodes:
            for program, scrape in self._sidecars.of(node, [page for page in pages if page.node == node.name]):
                programs.append(program)
                scrapes += [scrape] if scrape else []
        head = self.nodes[0]
        address = f"{head.address}:{self._port(head, None)}"
        certificate = self._certificates.get(head.index)
        web = write_web_config(self.run.live, "prometheus", Credentials.generate(), certificate)
        series = Series(
            url=base_url(address, certificate),
            user=web.credentials.user,
            password_file=web.password_file,
            ca_file=certificate and certificate.ca_file,
        )
        targets = {name: [service.target for service in found] for name, found in instances.items()}
        load = Driving(
            *(self.run, self.recipe, self._placed(self.recipe.load_nodes), lambda node: self._port(node, None)),
            *(self._sidecars, self._certificates, series),
        ).plan(targets)
        scrapes.append(load.scrape)
        prometheus, version = planned_prometheus(
            *(self.run, self.recipe, scrapes, series, web), data=self._data, image=self._beside("prometheus")
        )
        self.versions["prometheus"] = str(version)
        beside = self._grafana(series)
        for service in services:
            self.versions.update(service.versions)
            self.notes.extend(service.notes)
        return Plan(
            first=tuple(map(self._enclosed, (*programs, prometheus, *([beside.program] if beside else [])))),
            load=load.programs,
            go_file=load.go_file,
            scrapes=tuple(scrapes),
            prometheus_url=series.url,
            prometheus_user=series.user,
            prometheus_password=series.password_file,
            prometheus_ca=series.ca_file,
            prometheus_data=self._data,
            endpoints=beside.endpoints if beside else {},
            versions=self.versions,
            images=self._containers.used,
            notes=tuple(self.notes),
        )

    @property
    def _data(self) -> Path:
        return self.scratch / "prometheus"

    def _node(self, index: int) -> Node:
        return self.nodes[min(index, len(self.nodes) - 1)]  # a local run has one node for all indices

    def _port(self, node: Node, asked: int | None) -> int:
        if asked is None:
            return self.ports[node.index].pop()
        if node.index == 0 and not available(asked, node.address):
            raise PortError(
                f"port {asked} of {node.address} is taken: leave `port` out to get a free one, or name another"
            )
        return asked

    def _placed(self, nodes: Iterable[int]) -> list[Node]:
        """Return each node once: a local run has one for all indices."""
        return list({found.index: found for found in map(self._node, nodes)}.values())

    def _enclosed(self, program: Program) -> Program:
        return self._containers.enclose(program, self.nodes[program.node].facts.get("gpus"))

    def _beside(self, name: str) -> Image | None:
        """Return the image of a program of the recorder, where the recipe wants one and it is here."""
        if (self.recipe.watch.runtime or self.recipe.runtime) == "native":
            return None
        image = self._containers.there(name)
        note = f"{name}: its image is not here (`dashcam images pull {name}`), so it was looked for on PATH"
        if image is None and note not in self.notes:  # once for all nodes
            self.notes.append(note)
        return image

    def _instances(self, name: str) -> list[ServicePlan]:
        """Plan a service: under its own name, or with `nodes` an instance on each of them under NAME-0, NAME-1, ..."""
        nodes = self._placed(self.recipe.nodes_of(name))
        if not self.recipe.services[name].nodes:
            return [self._service(name, name, nodes[0])]
        return [self._service(name, f"{name}-{number}", node) for number, node in enumerate(nodes)]

    def _service(self, name: str, instance: str, node: Node) -> ServicePlan:
        service, kind = self.recipe.services[name], catalogue()[self.recipe.services[name].kind]
        image = None
        if (service.runtime or self.recipe.runtime) == "apptainer":
            image = self._containers.service(name, getattr(kind, "image", None), service.image)
        context = Context(
            run_id=self.run.id,
            name=instance,
            node=node.index,
            node_name=node.name,
            address=node.address,
            scratch=self.scratch / instance,
            live=self.run.live,
            ready_within=service.ready_within,
            env={**self._sidecars.telemetry(node, name), **service.env},
            port=lambda asked: self._port(node, asked),
            secret=self.run.secret,
            otlp_grpc=lambda: self._sidecars.otlp_grpc(node),
            certificate=self._certificates.get(node.index),
            gpus=node.facts.get("gpus"),
            image=image,
            beside=self._beside,
            peers=lambda count: self._peers(node, count),
            shared=shared_scratch(self.site.paths),
        )
        plan = kind.plan(context, kind.Options.model_validate(service.options))
        # All instances are one job; their nodes tell them apart.
        scrapes = [
            replace(scrape, job=name + scrape.job.removeprefix(instance)) if scrape.job.startswith(instance) else scrape
            for scrape in plan.scrapes
        ]
        return replace(plan, scrapes=tuple(scrapes))

    def _peers(self, node: Node, count: int) -> list[Peer]:
        return [
            Peer(
                node=each.index,
                node_name=each.name,
                address=each.address,
                port=partial(self._port, each),
                gpus=each.facts.get("gpus"),
            )
            for each in self.nodes[node.index + 1 : node.index + 1 + count]
        ]

    def _grafana(self, series: Series) -> Planned | None:
        watch = self.recipe.watch
        source = Source(
            *(series.url, series.user, series.password_file, watch.interval),
            *(self.versions.get("prometheus", ""), series.ca_file),
        )
        image = self._beside("grafana") if watch.grafana.mode != "off" else None
        found = grafana_server.of_image(image.program, image.home, image.version) if image and image.home else None
        find = (lambda: found) if found else grafana_server.find
        beside = Beside(self.run, watch.grafana, self._port, self.scratch, self.versions, self.notes, find)
        planned = beside.plan(self.nodes[0], source)
        if planned is None or found is None or image is None:
            return planned
        return replace(planned, program=replace(planned.program, image=image.name))
