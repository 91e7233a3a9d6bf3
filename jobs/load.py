"""The load as a run starts it: what it drives, on which nodes, and what it is told."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.probes import HttpProbe
from jobs.program import Program
from jobs.services.base import PlanError
from jobs.sidecars import Sidecars
from loadtests.instances import rounds
from loadtests.kinds import registry as generators
from loadtests.plan import LoadPlan, Series, Target, Tls
from loadtests.share import processes
from loadtests.tools.base import ToolKind
from prometheus.config import Bearer, Scrape
from prometheus.web import Certificate, base_url
from runs.directory import RunDirectory
from runs.manifest import Node
from runs.recipe import Recipe


@dataclass(frozen=True)
class Planned:
    """The programs, the first of which leads and is scraped for all; they begin when `go_file` is there."""

    programs: tuple[Program, ...]
    scrape: Scrape
    go_file: Path


@dataclass(frozen=True)
class Driving:
    """Plans the load of `recipe` on `nodes`, the first of which leads; `series`: where its figures can be asked for."""

    run: RunDirectory
    recipe: Recipe
    nodes: Sequence[Node]
    port: Callable[[Node], int]
    sidecars: Sidecars
    certificates: Mapping[int, Certificate]
    series: Series

    def plan(self, services: Mapping[str, Sequence[Target]]) -> Planned:
        """Plan it against the instances of each service. Raises PlanError, PortError."""
        load = self.recipe.load
        node, *others = self.nodes
        aims = self._aims(services)
        port, token, go_file = self.port(node), self.sidecars.token("load"), self.run.live / "go"
        address, certificate = f"{node.address}:{port}", self.certificates.get(node.index)
        shards = [processes(load, len(self.nodes), int(each.facts.get("cores", 1))) for each in self.nodes]
        first, more = aims[0], tuple(aims[1:])
        plan = LoadPlan(
            run_id=self.run.id,
            load=load,
            target=first.get(""),
            targets={} if "" in first else first,
            more=more,
            objectives=self.recipe.objectives if load.search is not None or load.scenario is not None else {},
            shards=shards if others else (),
            output=self.run.load,
            listen=address,
            token_file=token,
            tls=Tls.model_validate(certificate, from_attributes=True) if certificate else None,
            prometheus=self.series,
            go_file=go_file,
        )
        path = self.run.live / "load.json"
        path.write_text(plan.model_dump_json(indent=2))
        program = Program(
            name="load",
            role="load",
            node=node.index,
            argv=(sys.executable, "-P", "-m", "loadtests", str(path)),
            env=self.sidecars.telemetry(node, "load"),
            probe=HttpProbe(
                f"{base_url(address, certificate)}/metrics",
                token_file=token,
                run_id=self.run.id,
                ca_file=self.series.ca_file,
            ),
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
                env=self.sidecars.telemetry(other, "load"),
                stop_within=program.stop_within,
            )
            for place, other in enumerate(others, 1)
        )
        scrape = Scrape(
            job="load", role="load", node=node.name, address=address, auth=Bearer(token), ca_file=self.series.ca_file
        )
        return Planned((program, *followers), scrape, go_file)

    def _aims(self, services: Mapping[str, Sequence[Target]]) -> list[dict[str, Target]]:
        """Return what each turn of the load drives, by role; the role of the only service is ""."""
        load = self.recipe.load
        generator = generators()[load.generator]
        tool = isinstance(generator, ToolKind)
        if tool and len(self.nodes) > 1:
            raise PlanError(f"load.nodes: {load.generator} runs on one node: use `node`")
        names = load.targets or ({"": load.target or next(iter(services))} if services else {})
        found: dict[str, Sequence[Target]] = {}
        for role, name in names.items():
            service, number = self.recipe.aim(name)
            instances = services[service]
            # A local run has fewer nodes than were asked for, and so fewer instances.
            found[role] = instances if number is None else [instances[min(number, len(instances) - 1)]]
        aims = rounds(found) if found else [{}]
        if tool and len(aims) > 1:
            name = load.target or next(iter(services))
            raise PlanError(f"load.target: {load.generator} drives one instance: name it, as {name}-0")
        if mismatch := generator.mismatch({role: each.protocol for role, each in aims[0].items()}):
            raise PlanError(f"load.generator {mismatch}: see the protocols of {', '.join(self.recipe.targets)}")
        return aims
