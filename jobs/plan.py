"""From a recipe and its nodes to everything that will be started: programs, scrape targets, the load."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apptainer.image import Image
from grafana import server as grafana_server
from grafana.provisioning import Source
from jobs.containers import Containers, offer_prometheus
from jobs.grafana import Beside, Planned
from jobs.node import PortError, available
from jobs.probes import HttpProbe
from jobs.program import Program
from jobs.services import catalogue
from jobs.services.base import Context, PlanError, ServicePlan
from jobs.sidecars import Sidecars, find_program
from loadtests.kinds import registry as generators
from loadtests.plan import LoadPlan, Series, Target
from loadtests.share import processes
from loadtests.tools.base import ToolKind
from prometheus import remote, server
from prometheus.config import Bearer, Scrape, write_config
from prometheus.version import Version
from prometheus.web import Credentials, WebFiles, write_web_config
from runs.directory import RunDirectory
from runs.manifest import ImageFile, Node
from runs.recipe import Recipe

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
    site: Mapping[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _sidecars: Sidecars = field(init=False)
    _containers: Containers = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the sidecars: services are told where they listen."""
        watch = self.recipe.watch
        self._containers = Containers.of(self.run, self.recipe, self.scratch, self.site)
        offer_prometheus(self._containers.cache.root)  # for the end of the run
        self._sidecars = Sidecars(
            *(self.run, watch.exporters, watch.interval, lambda node: self._port(node, None)),
            *(self.versions, self.notes),
            image=self._beside,
        )

    def plan(self) -> Plan:
        """Say everything that the run starts. Raises PlanError, PortError."""
        services = {name: self._service(name) for name in self.recipe.services}
        offered = [scrape for service in services.values() for scrape in service.scrapes]
        pages = [scrape for scrape in offered if self._sidecars.reads(scrape)]
        scrapes = [scrape for scrape in offered if scrape not in pages]
        programs = [program for service in services.values() for program in service.programs]
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
        web = write_web_config(self.run.live, "prometheus", Credentials.generate())
        series = Series(url=f"http://{address}", user=web.credentials.user, password_file=web.password_file)
        load, scrape, go_file = self._load({name: service.target for name, service in services.items()}, series)
        scrapes.append(scrape)
        prometheus = self._prometheus(scrapes, address, web)
        beside = self._grafana(series)
        for service in services.values():
            self.versions.update(service.versions)
            self.notes.extend(service.notes)
        return Plan(
            first=tuple(map(self._enclosed, (*programs, prometheus, *([beside.program] if beside else [])))),
            load=load,
            go_file=go_file,
            scrapes=tuple(scrapes),
            prometheus_url=series.url,
            prometheus_user=series.user,
            prometheus_password=series.password_file,
            prometheus_data=self.scratch / "prometheus",
            endpoints=beside.endpoints if beside else {},
            versions=self.versions,
            images=self._containers.used,
            notes=tuple(self.notes),
        )

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

    def _service(self, name: str) -> ServicePlan:
        service, kind = self.recipe.services[name], catalogue()[self.recipe.services[name].kind]
        node = self._node(service.node)
        image = None
        if (service.runtime or self.recipe.runtime) == "apptainer":
            image = self._containers.service(name, getattr(kind, "image", None), service.image)
        context = Context(
            run_id=self.run.id,
            name=name,
            node=node.index,
            node_name=node.name,
            address=node.address,
            scratch=self.scratch / name,
            live=self.run.live,
            ready_within=service.ready_within,
            env={**self._sidecars.telemetry(node, name), **service.env},
            port=lambda asked: self._port(node, asked),
            secret=self.run.secret,
            otlp_grpc=lambda: self._sidecars.otlp_grpc(node),
            gpus=node.facts.get("gpus"),
            image=image,
            beside=self._beside,
        )
        return kind.plan(context, kind.Options.model_validate(service.options))

    def _load(self, services: Mapping[str, Target], series: Series) -> tuple[tuple[Program, ...], Scrape, Path]:
        """Plan the load: on several nodes a program on each, the first of which leads and is scraped for all."""
        load = self.recipe.load
        # A local run has one node for all indices.
        node, *others = {found.index: found for found in map(self._node, load.places)}.values()
        if others and isinstance(generators()[load.generator], ToolKind):
            raise PlanError(f"load.nodes: {load.generator} runs on one node: use `node`")
        targets = {role: services[name] for role, name in load.targets.items()}
        target = services[self.recipe.targets[0]] if services and not targets else None
        protocols = {role: part.protocol for role, part in (targets or ({"": target} if target else {})).items()}
        if mismatch := generators()[load.generator].mismatch(protocols):
            raise PlanError(f"load.generator {mismatch}: see the protocols of {', '.join(self.recipe.targets)}")
        port, token, go_file = self._port(node, None), self._sidecars.token("load"), self.run.live / "go"
        address = f"{node.address}:{port}"
        shards = [processes(load, 1 + len(others), int(each.facts.get("cores", 1))) for each in (node, *others)]
        plan = LoadPlan(
            run_id=self.run.id,
            load=load,
            target=target,
            targets=targets,
            objectives=self.recipe.objectives if load.search is not None or load.scenario is not None else {},
            shards=shards if others else (),
            output=self.run.load,
            listen=address,
            token_file=token,
            prometheus=series,
            go_file=go_file,
        )
        path = self.run.live / "load.json"
        path.write_text(plan.model_dump_json(indent=2))
        program = Program(
            name="load",
            role="load",
            node=node.index,
            argv=(sys.executable, "-P", "-m", "loadtests", str(path)),
            env=self._sidecars.telemetry(node, "load"),
            probe=HttpProbe(f"http://{address}/metrics", token_file=token, run_id=self.run.id),
            port=port,
            stop_within=load.drain + 5.0,
        )
        followers = tuple(
            Program(
                name=f"load-{place}",
                role="load",
                node=other.index,
                argv=(
                    *(sys.executable, "-P", "-m", "loadtests.shards", str(path), address),
                    *(str(sum(shards)), str(sum(shards[:place])), str(shards[place])),
                ),
                env=self._sidecars.telemetry(other, "load"),
                stop_within=program.stop_within,
            )
            for place, other in enumerate(others, 1)
        )
        scrape = Scrape(job="load", role="load", node=node.name, address=address, auth=Bearer(token))
        return (program, *followers), scrape, go_file

    def _grafana(self, series: Series) -> Planned | None:
        watch = self.recipe.watch
        source = Source(
            series.url, series.user, series.password_file, watch.interval, self.versions.get("prometheus", "")
        )
        image = self._beside("grafana") if watch.grafana.mode != "off" else None
        found = grafana_server.of_image(image.program, image.home, image.version) if image and image.home else None
        find = (lambda: found) if found else grafana_server.find
        beside = Beside(self.run, watch.grafana, self._port, self.scratch, self.versions, self.notes, find)
        planned = beside.plan(self.nodes[0], source)
        if planned is None or found is None or image is None:
            return planned
        return dataclasses.replace(planned, program=dataclasses.replace(planned.program, image=image.name))

    def _prometheus(self, scrapes: Sequence[Scrape], address: str, web: WebFiles) -> Program:
        image = self._beside("prometheus")
        binary = image.program if image else find_program("prometheus")
        version = Version.named(image.version) if image else Version.of(binary)
        self.versions["prometheus"] = str(version)
        store, flush = None, None
        if asked := self.recipe.watch.remote_write:
            try:
                store, flush = remote.resolve(asked, self.run.secret), remote.FLUSH
            except remote.RemoteError as error:
                raise PlanError(str(error)) from error
        config = write_config(
            *(self.run.configs, scrapes),
            run_id=self.run.id,
            interval=self.recipe.watch.interval,
            version=version,
            store=store,
        )
        return Program(
            name="prometheus",
            role="prometheus",
            node=0,
            argv=tuple(
                server.live_command(binary, config, self.scratch / "prometheus", address, web.config, flush=flush)
            ),
            probe=HttpProbe(
                f"http://{address}/-/ready", basic=(web.credentials.user, web.password_file), refuses_strangers=True
            ),
            port=int(address.rpartition(":")[2]),
            stop_within=20.0,
            image=image.name if image else None,
        )
