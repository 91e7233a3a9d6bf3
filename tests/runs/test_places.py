"""Where services and load are put: selections of nodes, and everything that is wrong with them at once."""

import jsonschema
import pytest
import yaml

from runs import document, nodes, reader
from runs.document import RecipeError
from runs.nodes import Layout, SelectionError
from runs.recipe import Recipe, Strict
from runs.schema import json_schema

LAYOUT = Layout(5, {"gpu": range(2), "cpu": range(2, 5)})


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        ((0,), (0,)),
        (("last",), (4,)),
        (("2-3",), (2, 3)),
        (("1-last",), (1, 2, 3, 4)),
        (("every",), (0, 1, 2, 3, 4)),
        ((0, "3-4"), (0, 3, 4)),
        (("gpu",), (0, 1)),
        (("cpu:0",), (2,)),
        (("cpu:1-last", "gpu:last"), (3, 4, 1)),
        (("cpu:every",), (2, 3, 4)),
    ],
)
def test_selections(selection, found):
    """A selection gives the nodes that it names, in its order."""
    assert nodes.indices(selection, LAYOUT) == found


@pytest.mark.parametrize(
    ("selection", "words", "mend"),
    [
        ((5,), "nodes 0 to 4", "in `allocation`"),
        (("cpu:3",), "cpu has 0 to 2", "name another"),
        (("3-2",), "ends before it begins", "2-3"),
        (("-1",), "is no node", "`last`"),
        (("every-2",), "is no node", "component: gpu, cpu"),
        (("fpga:0",), "is no component", "gpu, cpu"),
        (("0-2", 1), "node 1 is named twice", "once"),
    ],
)
def test_what_is_not_there(selection, words, mend):
    """What a selection names wrongly is said, with what to write."""
    with pytest.raises(SelectionError) as caught:
        nodes.indices(selection, LAYOUT)
    assert words in str(caught.value)
    assert mend in caught.value.mend


class Anything(Strict):
    """Options of a made-up kind."""


CATALOG = reader.Catalog({"any": Anything}, {"openai": Anything, "k6": Anything, "rag": Anything}, ("node",),
                         roles={"rag": {"llm": True}}, tools=("k6",))  # fmt: skip
PLACED = """\
name: placed
allocation:
  components:
    - {name: gpu, nodes: 2, partition: gpu, gpus_per_node: 4}
    - {name: cpu, nodes: 3, partition: cpu}
  account: p1
services:
  llm: {kind: any, nodes: gpu}
  db: {kind: any, node: "cpu:last"}
load:
  generator: openai
  target: llm
  nodes: "cpu:0-1"
  phases: [{name: steady, for: 1s, rate: 1}]
"""


def read(text):
    """Check a recipe's text."""
    return reader.check(document.parse(text, "r.yaml"), CATALOG)[0]


def test_a_recipe_of_components():
    """Components are nodes one after another; what they leave out is as the allocation has it."""
    recipe = read(PLACED)
    assert recipe.allocation.nodes == 5
    assert recipe.nodes_of("llm") == (0, 1)
    assert recipe.nodes_of("db") == (4,)
    assert recipe.load_nodes == (2, 3)
    assert [(part.partition, part.account, part.gpus_per_node) for part in recipe.allocation.parts] == [
        ("gpu", "p1", 4),
        ("cpu", "p1", 0),
    ]
    again = Recipe.model_validate(recipe.model_dump(mode="json", by_alias=True))
    assert again == recipe
    assert again.allocation.parts == recipe.allocation.parts


def test_editors_know_the_ways_of_writing():
    """The JSON schema takes what the reader takes."""
    text = PLACED.replace("account: p1", "account: p1\n  mail: {user: me, type: END}\n  dependency: afterok:7").replace(
        "nodes: gpu}", "nodes: [0, 'gpu:1']}"
    )
    values = yaml.safe_load(text) | {"sweep": {"load.nodes": [2, "cpu"]}, "repeats": 2}
    jsonschema.Draft202012Validator(json_schema(CATALOG)).validate(values)
    assert read(text).allocation.mail.type == ("END",)


def test_targets_of_instances():
    """A target is a service, all its instances in turn, or one of them."""
    recipe = read(PLACED.replace("target: llm", "target: llm-1"))
    assert recipe.aim("llm-1") == ("llm", 1)
    assert recipe.aim("llm") == ("llm", None)
    assert recipe.targets == ("llm",)


WRONG = """\
name: wrong
allocation: {nodes: 3}
services:
  a: {kind: any, nodes: 2-4}
  b: {kind: any, node: every}
  c: {kind: any, node: gpu}
  d: {kind: any, nodes: every}
  d-1: {kind: any}
  e: {kind: any, nodes: [0, -1]}
load:
  generator: openai
  target: d-3
  node: 7
  phases: [{name: steady, for: 1s, rate: 1}]
"""


def test_all_that_is_placed_wrongly_is_said_at_once():
    """Each place has its line and its mend."""
    with pytest.raises(RecipeError) as caught:
        read(WRONG)
    found = {problem.where: (problem.line, problem.message, problem.mend) for problem in caught.value.problems}
    assert {where: line for where, (line, _, _) in found.items()} == {
        "services.a.nodes": 4,
        "services.b.node": 5,
        "services.c.node": 6,
        "services.d-1": 8,
        "services.e.nodes": 9,
        "load.target": 12,
        "load.node": 13,
    }
    assert all(mend for _, _, mend in found.values())
    assert "nodes: every" in found["services.b.node"][2]
    assert found["load.target"][2] == "d has d-0 to d-2"


@pytest.mark.parametrize(
    ("load", "where", "words"),
    [
        ("generator: openai\n  target: b-0", "load.target", "b has one instance, b"),
        ("generator: openai\n  target: x-0", "load.target", "'x-0' is no service"),
        ("generator: k6\n  target: a", "load.target", "a has 2 instances"),
        ("generator: rag\n  targets: {llm: a-2}", "load.targets.llm", "a has a-0 to a-1"),
    ],
)
def test_targets_that_are_not_there(load, where, words):
    """An instance must be there; a tool drives one."""
    text = (
        f"name: t\nallocation: {{nodes: 2}}\nservices: {{a: {{kind: any, nodes: every}}, b: {{kind: any}}}}\n"
        f"load:\n  {load}\n  phases: [{{name: steady, for: 1s, rate: 1}}]\n"
    )
    with pytest.raises(RecipeError) as caught:
        read(text)
    assert [problem.where for problem in caught.value.problems] == [where]
    assert words in f"{caught.value.problems[0].message} {caught.value.problems[0].mend}"


@pytest.mark.parametrize(
    ("allocation", "words"),
    [
        ("{nodes: 4, components: [{name: a}, {name: b}]}", "the components have 2"),
        ("{components: [{name: a}, {name: a}]}", "named twice: a"),
        ("{components: [{name: a, partition: gpu}, {name: b}]}", "would give b the partition: gpu of a"),
        ("{components: [{name: last}]}", "a meaning of its own"),
        ("{mail: {user: me, type: sometimes}}", "no event of Slurm's"),
    ],
)
def test_allocations_that_cannot_be_meant(allocation, words):
    """Components have names of their own and are counted; mail has Slurm's words."""
    with pytest.raises(RecipeError, match=words):
        read(
            f"name: t\nallocation: {allocation}\nservices: {{a: {{kind: any}}}}\n"
            "load: {generator: openai, phases: [{name: steady, for: 1s, rate: 1}]}\n"
        )
