"""Reading recipes: everything that is wrong, at once, each with its line and the mend."""

import contextlib

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
        (GOOD.replace("kind: llamacpp", "kind: llamacpp, node: 2"), "", "nodes 0 to 0"),
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
