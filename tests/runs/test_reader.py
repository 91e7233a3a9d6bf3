"""Reading recipes: everything that is wrong, at once, each with its line and the mend."""

import contextlib
import dataclasses
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import document, reader
from runs.document import RecipeError
from runs.recipe import Strict
from runs.schema import json_schema


class Llama(Strict):
    """Options of a made-up kind."""

    model: str = "tiny"


class OpenAI(Strict):
    """Options of a made-up generator."""

    max_tokens: int = 16


CATALOG = reader.Catalog(
    services={"llamacpp": Llama},
    generators={"openai": OpenAI, "rag": OpenAI},
    exporters=("node", "process"),
    objective=lambda name: None if name == "ttft_p99" else "ttft_p99",
    roles={"rag": {"llm": True, "vectors": True, "embeddings": False}},
)

GOOD = """\
name: demo
services:
  llm: {kind: llamacpp, model: small}
load:
  generator: openai
  max_tokens: 8
  phases:
    - {name: warmup, for: 5s, rate: 2}
    - {name: steady, for: 00:00:30, rate: 5, arrival: constant}
objectives: {ttft_p99: 500ms}
"""

BAD = """\
nam: x
allocation: {nodes: 1, time: soon}
watch: {exporters: [nod]}
services:
  llm: {kind: llamacp, node: 0}
load:
  generator: openai
  max_token: 5
  phases:
    - {name: steady, for: 30s, rat: 5}
    - {name: Steady Two, for: 30s, rate: -5}
objectives: {ttft_p9: 1s}
"""


def read(text, sets=()):
    """Parse and check a recipe's text."""
    return reader.check(document.parse(text, "r.yaml", sets), CATALOG)[0]


def problems(text, sets=()):
    """Return what is wrong with a recipe's text, by place."""
    with pytest.raises(RecipeError) as caught:
        read(text, sets)
    return {problem.where: problem for problem in caught.value.problems}


def test_good_recipe():
    """A recipe becomes a model with seconds and ratios, and its kinds' keys become options."""
    recipe = read(GOOD)
    assert recipe.services["llm"].options == {"model": "small"}
    assert recipe.load.options == {"max_tokens": 8}
    assert [phase.in_window for phase in recipe.load.phases] == [False, True]
    assert recipe.load.phases[1].duration == 30
    assert recipe.objectives == {"ttft_p99": 0.5}
    assert recipe.targets == ("llm",)


def test_resolved_recipe_reads_back():
    """The recipe as resolved, as it stands in the manifest, gives the same recipe."""
    recipe = read(GOOD)
    assert type(recipe).model_validate(recipe.model_dump(mode="json", by_alias=True)) == recipe


def test_every_error_at_once_with_line_and_mend():
    """All that is wrong is said at once, in the order of the lines, each with the way to mend it."""
    found = problems(BAD)
    assert {where: problem.line for where, problem in found.items()} == {
        "name": 1,
        "nam": 1,
        "allocation.time": 2,
        "watch.exporters.0": 3,
        "services.llm.kind": 5,
        "load.max_token": 8,
        "load.phases.0.rat": 10,
        "load.phases.1.name": 11,
        "load.phases.1.rate": 11,
        "objectives.ttft_p9": 12,
    }
    assert "llamacpp" in found["services.llm.kind"].mend
    assert "max_tokens" in found["load.max_token"].mend
    assert "'rate'" in found["load.phases.0.rat"].mend
    assert "ttft_p99" in found["objectives.ttft_p9"].mend
    assert "00:20:00" in found["allocation.time"].message


def test_message_names_file_line_and_count():
    """The error's text begins with how many errors there are and gives each as file:line."""
    with pytest.raises(RecipeError) as caught:
        read(BAD)
    text = str(caught.value)
    assert text.startswith("10 errors in r.yaml\n")
    assert "r.yaml:5: services.llm.kind: unknown kind 'llamacp'" in text


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (GOOD.replace("rate: 5, arrival: constant", "rate: 5, users: 3"), "load.phases.1", "either rate"),
        (GOOD.replace("name: steady", "name: warmup"), "load", "used twice"),
        (GOOD.replace("name: steady", "name: ramp"), "load", "no phase is measured"),
        (GOOD.replace("kind: llamacpp", "kind: llamacpp, node: 2"), "services.llm.node", "nodes 0 to 0"),
        (GOOD.replace("generator: openai", "generator: openai\n  target: db"), "load.target", "is no service"),
        (GOOD.replace("name: demo", "name: demo\nname: again"), "name", "stands twice"),
    ],
)
def test_meaning(text, where, words):
    """What is well-formed but cannot be meant is refused."""
    assert words in problems(text)[where].message


RAG = """\
name: rag
services:
  llm: {kind: llamacpp}
  vectors: {kind: llamacpp}
load:
  generator: rag
  targets:
    llm: llm
    vectors: vectors
  phases: [{name: steady, for: 30s, rate: 5}]
"""


def test_several_targets():
    """A generator that drives several services is told which service takes which role; some roles may be left out."""
    recipe = read(RAG)
    assert recipe.targets == ("llm", "vectors")
    assert read(RAG.replace("vectors: vectors\n", "vectors: llm\n    embeddings: vectors\n")).targets == (
        "llm",
        "vectors",
    )


@pytest.mark.parametrize(
    ("text", "where", "line", "words"),
    [
        (RAG.replace("    vectors: vectors\n", ""), "load.targets", 7, "no service for vectors"),
        (RAG.replace("    vectors: vectors\n", "    vector: llm\n"), "load.targets.vector", 9, "unknown role"),
        (RAG.replace("    vectors: vectors\n", "    vectors: db\n"), "load.targets.vectors", 9, "is no service"),
        (RAG.replace("  targets:", "  target: llm\n  targets:"), "load.target", 7, "several services"),
        (RAG.replace("rag\n  targets:", "openai\n  targets:"), "load.targets", 7, "drives one service"),
        (RAG.split("  targets:", maxsplit=1)[0] + "  phases: []", "load.targets", 5, "llm, vectors"),
        (RAG.replace("rag\n  t", "openai\n  phases: []\nx:\n  t"), "load.target", 5, "is missing"),
    ],
)
def test_targets_that_cannot_be(text, where, line, words):
    """Each mistake about targets has its line; the mend names the services or roles that there are."""
    problem = problems(text)[where]
    assert words in problem.message
    assert problem.line == line
    assert problem.mend


def test_set_overrides_any_leaf():
    """--set reaches into lists and groups, with values read as YAML."""
    recipe = read(GOOD, ["load.phases.1.rate=40", "watch.interval=200ms", "services.llm.model=big"])
    assert recipe.load.phases[1].rate == 40
    assert recipe.watch.interval == pytest.approx(0.2)
    assert recipe.services["llm"].options["model"] == "big"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("load.phases.9.rate=4", "no index"),
        ("name.first=x", "single value"),
        ("rate", "is not key=value"),
        ("load.phases.0.rate=abc", "valid number"),
        ("load.phases.0.rat=4", "unknown key 'rat'"),
    ],
)
def test_bad_set_names_the_option(option, words):
    """A bad --set is reported as itself and not as a line of the file."""
    found = problems(GOOD, [option])
    assert words in found[f"--set {option}"].message


@pytest.mark.parametrize("text", ["", "- a\n- b", "a: [1", "a: &x\n  b: *x", "\tname: x", "42"])
def test_no_recipe_at_all(text):
    """Text that is no recipe is refused with one error, never a traceback."""
    with pytest.raises(RecipeError):
        read(text)


def test_unreadable_file(tmp_path):
    """A path that is no text file is refused with its reason."""
    with pytest.raises(RecipeError, match="cannot be read"):
        reader.load(tmp_path / "none.yaml", CATALOG)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="UTF-8"):
        reader.load(tmp_path / "binary", CATALOG)


@given(st.text(alphabet="abc:{}[]-&*'\"#\n ,0123456789|>!%", max_size=80))
def test_any_text_is_read_or_refused(text):
    """No text makes the reader fail in another way than RecipeError."""
    with contextlib.suppress(RecipeError):
        assert read(text).services


def test_schema_agrees_with_the_reader():
    """The JSON schema accepts what the reader accepts, and refuses unknown keys and kinds."""
    schema = json_schema(CATALOG)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    good = document.parse(GOOD, "r.yaml").values
    assert validator.is_valid(good)
    for broken in (
        {**good, "nam": "x"},
        {**good, "services": {"llm": {"kind": "other"}}},
        {**good, "load": {**good["load"], "max_token": 1}},
    ):
        assert not validator.is_valid(broken)


STAIRS = """\
name: stairs
services:
  llm: {kind: llamacpp}
load:
  generator: openai
  processes: all
  phases:
    - {name: warmup, for: 5s, users: 4, stagger: 2s}
    - {name: up, for: 10s, ramp: {from: 1, to: 50}}
    - {name: stairs, for: 10s, steps: [5, 10, {rate: 20, for: 30s}], arrival: gamma, burstiness: 0.5}
    - {name: replay, for: 60s, trace: monday.csv, time_scale: 0.5}
    - {name: count, for: 60s, rate: 5, requests: 100}
"""


def test_ways_to_ask_for_a_load(tmp_path):
    """Ramps, staircases, traces, counts and staggered users read, and read back from the manifest."""
    path = tmp_path / "recipe.yaml"
    path.write_text(STAIRS)
    recipe = reader.load(path, CATALOG)[0]
    names = [stage.name for stage in recipe.load.stages]
    assert names == ["warmup", "up", "stairs-1", "stairs-2", "stairs-3", "replay", "count"]
    assert recipe.load.phases[3].trace == str(tmp_path / "monday.csv")
    again = type(recipe).model_validate(recipe.model_dump(mode="json", by_alias=True))
    assert again.load.stages == recipe.load.stages


def test_a_bad_trace_is_named_with_its_line(tmp_path):
    """A trace that cannot be replayed is a mistake of the recipe, at the line that names it; --set counts from here."""
    path = tmp_path / "recipe.yaml"
    path.write_text(STAIRS)
    catalog = dataclasses.replace(CATALOG, trace=lambda path, column: f"{path} is bad, {column}")
    with pytest.raises(RecipeError) as caught:
        reader.load(path, catalog)
    (problem,) = caught.value.problems
    assert (problem.where, problem.line) == ("load.phases.3.trace", 11)
    assert problem.message == f"{tmp_path / 'monday.csv'} is bad, None"
    with pytest.raises(RecipeError) as caught:
        reader.load(path, catalog, ["load.phases.3.trace=here.csv"])
    assert caught.value.problems[0].message == f"{Path('here.csv').absolute()} is bad, None"


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("rate: 5, trace: x.csv", "give either rate, ramp, steps or trace"),
        ("ramp: {from: 5, to: 5}", "is no ramp"),
        ("ramp: {from: 1, to: 5}, until: steady", "a ramp is never steady"),
        ("rate: 5, burstiness: 2", "burstiness goes with arrival: gamma only"),
        ("rate: 5, think: 1s", "think goes with users only"),
        ("users: 5, stagger: 9s", "stagger takes more than a tenth of a measured phase"),
        ("rate: 5, time_scale: 2", "time_scale goes with trace only"),
        ("rate: 5, until: steady, window: 40s", "window 40 s is longer than the phase"),
        ("steps: [5, 0]", "greater than 0"),
    ],
)
def test_what_cannot_be_meant_of_a_phase(phase, words):
    """Keys that do not go together are refused, with the mend."""
    text = GOOD.replace("rate: 5, arrival: constant", phase)
    assert any(words in problem.message for problem in problems(text).values())


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("node: 1\n  nodes: [0]", "give either node or nodes"),
        ("nodes: [0, 0]", "node 0 is named twice"),
        ("nodes: [0, 3]", "the allocation has nodes 0 to 0"),
        ("processes: some", "write 1 to 256, `all`"),
        ("processes: 0", "write 1 to 256, `all`"),
    ],
)
def test_where_a_load_may_run(keys, words):
    """Nodes that are not there and numbers of processes that are none are refused."""
    text = GOOD.replace("  max_tokens: 8\n", f"  {keys}\n")
    assert any(words in problem.message for problem in problems(text).values())


def test_a_load_may_be_alone() -> None:
    """A recipe needs a service, but for a generator that can do without."""
    text = "name: x\nload:\n  generator: {}\n  phases: [{{name: steady, for: 1s, rate: 1}}]\n"
    catalog = dataclasses.replace(CATALOG, generators={**CATALOG.generators, "files": OpenAI}, alone=["files"])
    recipe, _ = reader.check(document.parse(text.format("files"), "r.yaml"), catalog)
    assert recipe.targets == ()
    for broken in (text.format("openai"), text.format("openai") + "services: {}\n"):
        with pytest.raises(RecipeError, match=r"services: is missing\n    mend: for example `services: \{llm"):
            reader.check(document.parse(broken, "r.yaml"), catalog)
