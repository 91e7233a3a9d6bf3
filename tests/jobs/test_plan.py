"""What a run starts where: instances of services, the load's targets, labels."""

import json
import os
from pathlib import Path

import pytest

from jobs.catalog import catalog
from jobs.plan import Planner
from jobs.services.base import PlanError
from loadtests.plan import LoadPlan
from runs import document, reader
from runs.directory import RunDirectory
from runs.manifest import Node

pytestmark = pytest.mark.real  # asks Prometheus for its version

RECIPE = """\
name: placed
allocation: {nodes: 3}
watch: {exporters: [], grafana: off}
services:
  api: {kind: command, command: "sleep {port}", metrics: /metrics, nodes: 1-last}
  alone: {kind: command, command: "sleep {port}", metrics: /metrics, node: last}
load:
  generator: openai
  target: api
  nodes: every
  phases: [{name: steady, for: 1s, rate: 1}]
"""


def planned(folder: Path, nodes: int, text: str = RECIPE):
    """Plan the recipe on so many nodes; returns the plan and what the load is told."""
    recipe = reader.check(document.parse(text, str(folder / "r.yaml")), catalog())[0]
    run = RunDirectory.create(folder, "20261125-101500-placed-a1b2")
    there = [Node(index=i, name=f"n{i}", address=f"10.0.0.{i}", facts={"cores": 8}) for i in range(nodes)]
    ports = [list(range(20000 + 100 * i, 20050 + 100 * i)) for i in range(nodes)]
    made = Planner(run, recipe, there, ports, folder / "scratch").plan()
    return run, made, LoadPlan.model_validate_json((run.live / "load.json").read_bytes())


def test_an_instance_on_each_node(tmp_path):
    """Instances have names of their own and one job; the load goes to all of them, from every node."""
    run, plan, load = planned(tmp_path, 3)
    assert [(p.name, p.node) for p in plan.first if p.role == "service"] == [("api-0", 1), ("api-1", 2), ("alone", 2)]
    assert [(s.job, s.node) for s in plan.scrapes if s.role == "service"] == [
        ("api", "n1"),
        ("api", "n2"),
        ("alone", "n2"),
    ]
    assert load.target.url.startswith("http://10.0.0.1:")
    assert [each[""].url.partition(":2")[0] for each in load.more] == ["http://10.0.0.2"]
    assert [(program.name, program.node) for program in plan.load] == [("load", 0), ("load-1", 1), ("load-2", 2)]
    targets = json.loads((run.configs / "targets-api.json").read_text())
    assert {target["labels"]["node"] for target in targets} == {"n1", "n2"}


def test_one_instance_is_addressed(tmp_path):
    """`target: NAME-1` is that instance and no other."""
    _, _, load = planned(tmp_path, 3, RECIPE.replace("target: api", "target: api-1"))
    assert load.target.url.startswith("http://10.0.0.2:")
    assert load.more == ()


def test_a_local_run_has_one_instance(tmp_path):
    """Where one node stands for all, one instance does too; whoever is addressed, it answers."""
    _, plan, load = planned(tmp_path, 1, RECIPE.replace("target: api", "target: api-1"))
    assert [(p.name, p.node) for p in plan.first if p.role == "service"] == [("api-0", 0), ("alone", 0)]
    assert load.target.url.startswith("http://10.0.0.0:")
    assert [program.name for program in plan.load] == ["load"]


def test_a_tool_drives_one_instance(tmp_path):
    """A recipe in a manifest is not checked again; the planner refuses what a tool cannot do."""
    text = RECIPE.replace("generator: openai", "generator: k6\n  script: x.js").replace("  nodes: every\n", "")
    (tmp_path / "x.js").write_text("export default function () {}\n")
    recipe = reader.check(
        document.parse(text.replace("target: api", "target: api-0"), str(tmp_path / "r.yaml")), catalog()
    )
    changed = recipe[0].model_copy(update={"load": recipe[0].load.model_copy(update={"target": "api"})})
    run = RunDirectory.create(tmp_path, "20261125-101500-placed-a1b3")
    there = [Node(index=i, name=f"n{i}", address=f"10.0.0.{i}", facts={}) for i in range(3)]
    with pytest.raises(PlanError, match="name it, as api-0"):
        Planner(run, changed, there, [list(range(20000, 20050)) for _ in there], tmp_path / "s").plan()


def test_an_instance_over_several_nodes(tmp_path, monkeypatch):
    """`span` counts from the instance's own node on; its programs are on each, and vLLM alone is scraped and driven."""
    (tmp_path / "bin").mkdir()
    for name in ("vllm", "ray"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    text = RECIPE.replace(
        RECIPE[RECIPE.index("services:") : RECIPE.index("load:")],
        "services: {api: {kind: vllm, model: m, node: 1, tensor_parallel: 4, pipeline_parallel: 2, span: 2}}\n",
    )
    _, plan, load = planned(tmp_path, 3, text)
    mine = {p.name: p for p in plan.first if p.role == "service"}
    assert {name: p.node for name, p in mine.items()} == {"api": 1, "api-ray": 1, "api-ray-1": 2}
    assert [(s.job, s.node) for s in plan.scrapes if s.role == "service"] == [("api", "n1")]
    assert load.target.url.startswith("http://10.0.0.1:")
    head = mine["api-ray"].argv[mine["api-ray"].argv.index("--port") + 1]
    assert mine["api-ray-1"].argv[mine["api-ray-1"].argv.index("--address") + 1] == f"10.0.0.1:{head}"
    ports = [part.rpartition("=")[2] for p in mine.values() for part in p.argv if "port=" in part]
    assert len(ports) == len(set(ports)) == 3
    with pytest.raises(PlanError, match=r"`span` asks for 2 nodes from n0 on, and the run has 1 there"):
        planned(tmp_path / "local", 1, text.replace("model: m", f"model: {tmp_path / 'm'}"))
