"""From a recipe and its nodes to everything that will be started: programs, scrape targets, the load."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.node import PortError, available
from jobs.probes import HttpProbe
from jobs.program import Program
from jobs.services import catalogue
from jobs.services.base import Context, PlanError, ServicePlan
from loadtests.generators import registry as generators
from loadtests.plan import LoadPlan, Target
from prometheus import server
from prometheus.config import Basic, Bearer, Scrape, write_config
from prometheus.version import Version
from prometheus.web import Credentials, WebFiles, write_web_config
from runs.directory import RunDirectory
from runs.manifest import Node
from runs.recipe import Recipe

PORTS_PER_NODE = 16
NODE_EXPORTER = "prometheus-node-exporter"


@dataclass(frozen=True)
class Plan:
    """What a run starts. Programs of `first` are started at once; the load follows when they are ready."""

    first: tuple[Program, ...]
    load: Program
    go_file: Path
    scrapes: tuple[Scrape, ...]
    prometheus_url: str
    prometheus_user: str
    prometheus_password: Path
    prometheus_data: Path
    versions: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass
class Planner:
    """Collects the parts of one plan."""

    run: RunDirectory
    recipe: Recipe
    nodes: Sequence[Node]
    ports: Sequence[list[int]]
    scratch: Path
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _node_web: WebFiles | None = None
    """One secret for all nodes, so that one scrape config serves them all."""

    def plan(self) -> Plan:
        """Say everything that the run starts. Raises PlanError, PortError."""
        services = {name: self._service(name) for name in self.recipe.services}
        scrapes = [scrape for service in services.values() for scrape in service.scrapes]
        programs = [program for service in services.values() for program in service.programs]
        for node in self.nodes:
            for program, scrape in self._sidecars(node):
                programs.append(program)
                scrapes.append(scrape)
        load, scrape, go_file = self._load(services[self.recipe.target].target)
        scrapes.append(scrape)
        web, prometheus = self._prometheus(scrapes)
        for service in services.values():
            self.versions.update(service.versions)
            self.notes.extend(service.notes)
        return Plan(
            first=(*programs, prometheus),
            load=load,
            go_file=go_file,
            scrapes=tuple(scrapes),
            prometheus_url=f"http://{self.nodes[0].address}:{prometheus.port}",
            prometheus_user=web.credentials.user,
            prometheus_password=web.password_file,
            prometheus_data=self.scratch / "prometheus",
            versions=self.versions,
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

    def _service(self, name: str) -> ServicePlan:
        service, kind = self.recipe.services[name], catalogue()[self.recipe.services[name].kind]
        node = self._node(service.node)
        context = Context(
            run_id=self.run.id,
            name=name,
            node=node.index,
            node_name=node.name,
            address=node.address,
            scratch=self.scratch / name,
            live=self.run.live,
            ready_within=service.ready_within,
            env=service.env,
            port=lambda asked: self._port(node, asked),
            secret=self.run.secret,
        )
        return kind.plan(context, kind.Options.model_validate(service.options))

    def _sidecars(self, node: Node) -> list[tuple[Program, Scrape]]:
        wanted = self.recipe.watch.exporters
        found = []
        if "node" in wanted:
            found.append(self._node_exporter(node))
        if own := [name for name in wanted if name != "node"]:
            found.append(self._exporter(node, own))
        return found

    def _node_exporter(self, node: Node) -> tuple[Program, Scrape]:
        binary = find_program(NODE_EXPORTER, "node_exporter")
        name, port = f"node-exporter-{node.index}", self._port(node, None)
        self.versions["node_exporter"] = str(Version.of(binary))
        web = self._node_web = self._node_web or write_web_config(
            self.run.live, "node-exporter", Credentials.generate()
        )
        address = f"{node.address}:{port}"
        program = Program(
            name=name,
            role="sidecar",
            node=node.index,
            argv=tuple(server.node_exporter_command(binary, address, web.config)),
            probe=HttpProbe(
                f"http://{address}/", basic=(web.credentials.user, web.password_file), refuses_strangers=True
            ),
            port=port,
            essential=False,
        )
        auth = Basic(web.credentials.user, web.password_file)
        return program, Scrape(job="node", role="sidecar", node=node.name, address=address, auth=auth)

    def _exporter(self, node: Node, names: Sequence[str]) -> tuple[Program, Scrape]:
        name, port = f"exporter-{node.index}", self._port(node, None)
        address = f"{node.address}:{port}"
        token = self._token("exporter")
        timeout = f"{max(0.2, min(5.0, self.recipe.watch.interval * 0.8)):g}"
        argv = (
            *(sys.executable, "-P", "-m", "exporters", *names, "--listen", address, "--token-file", str(token)),
            *("--run-id", self.run.id, "--timeout", timeout),
        )
        program = Program(
            name=name,
            role="sidecar",
            node=node.index,
            argv=argv,
            probe=HttpProbe(f"http://{address}/metrics", token_file=token, run_id=self.run.id),
            port=port,
            essential=False,
        )
        return program, Scrape(job="exporter", role="sidecar", node=node.name, address=address, auth=Bearer(token))

    def _load(self, target: Target) -> tuple[Program, Scrape, Path]:
        load, node = self.recipe.load, self._node(self.recipe.load.node)
        protocols = generators()[load.generator].targets
        if target.protocol not in protocols:
            raise PlanError(
                f"load.generator {load.generator} drives {', '.join(protocols)}, "
                f"but service {self.recipe.target} speaks {target.protocol}"
            )
        port, token, go_file = self._port(node, None), self._token("load"), self.run.live / "go"
        address = f"{node.address}:{port}"
        plan = LoadPlan(
            run_id=self.run.id,
            load=load,
            target=target,
            output=self.run.load,
            listen=address,
            token_file=token,
            go_file=go_file,
        )
        path = self.run.live / "load.json"
        path.write_text(plan.model_dump_json(indent=2))
        program = Program(
            name="load",
            role="load",
            node=node.index,
            argv=(sys.executable, "-P", "-m", "loadtests", str(path)),
            probe=HttpProbe(f"http://{address}/metrics", token_file=token, run_id=self.run.id),
            port=port,
            stop_within=load.drain + 5.0,
        )
        scrape = Scrape(job="load", role="load", node=node.name, address=address, auth=Bearer(token))
        return program, scrape, go_file

    def _prometheus(self, scrapes: Sequence[Scrape]) -> tuple[WebFiles, Program]:
        binary, head = find_program("prometheus"), self.nodes[0]
        version = Version.of(binary)
        self.versions["prometheus"] = str(version)
        port = self._port(head, None)
        address = f"{head.address}:{port}"
        web = write_web_config(self.run.live, "prometheus", Credentials.generate())
        config = write_config(
            self.run.configs, scrapes, run_id=self.run.id, interval=self.recipe.watch.interval, version=version
        )
        program = Program(
            name="prometheus",
            role="prometheus",
            node=0,
            argv=tuple(server.live_command(binary, config, self.scratch / "prometheus", address, web.config)),
            probe=HttpProbe(
                f"http://{address}/-/ready", basic=(web.credentials.user, web.password_file), refuses_strangers=True
            ),
            port=port,
            stop_within=20.0,
        )
        return web, program

    def _token(self, name: str) -> Path:
        path = self.run.live / f"{name}.token"
        return path if path.exists() else self.run.secret(path.name, Credentials.generate().password)


def find_program(*names: str) -> str:
    """Return the first of `names` on PATH, as a full path. Raises PlanError."""
    for name in names:
        if path := shutil.which(name):
            return path
    raise PlanError(
        f"no program {' or '.join(names)} on PATH: on Debian `apt-get install {names[0]}`, "
        "elsewhere put the release binary on PATH"
    )
