"""Sweeps and repeats: one recipe becomes several, each checked, with every error at its own line."""

import pytest

from runs import document, grid, reader, variants
from runs.document import RecipeError
from runs.recipe import Strict


class Llama(Strict):
    """Options of a made-up kind."""

    model: str = "tiny"


class OpenAI(Strict):
    """Options of a made-up generator."""

    max_tokens: int = 16


CATALOG = reader.Catalog({"llamacpp": Llama}, {"openai": OpenAI}, ("node",))
BASE = """\
name: grid
services: {llm: {kind: llamacpp}}
load:
  generator: openai
  phases:
    - {name: steady, for: 1s, rate: 1}
"""
SWEEP = """\
sweep:
  load.phases.0.rate: [5, 10]
  services.llm.model: [a, b]
repeats: 2
"""


def read(text, sets=()):
    """Check a recipe's text."""
    return variants.check(document.parse(text, "r.yaml", sets), CATALOG)


def problems(text, sets=()):
    """Return what is wrong, as (where, line, message)."""
    with pytest.raises(RecipeError) as caught:
        read(text, sets)
    return [(each.where, each.line, each.message) for each in caught.value.problems]


def test_one_run():
    """A recipe without sweep and repeats asks for one run."""
    (only,) = read(BASE)
    assert only.values == {}
    assert only.recipe.load.phases[0].rate == 1


def test_a_grid_with_repeats():
    """Every point is a recipe of its own, without the sweep in it; the last key changes first, repeats last."""
    found = read(BASE + SWEEP)
    values = [(each.values["load.phases.0.rate"], each.values["services.llm.model"], each.repeat) for each in found]
    assert values == [(r, m, n) for n in (1, 2) for r in (5, 10) for m in ("a", "b")]
    assert [each.recipe.load.phases[0].rate for each in found[:4]] == [5, 5, 10, 10]
    assert found[1].recipe.services["llm"].options == {"model": "b"}
    assert all(each.recipe.sweep == {} and each.recipe.repeats == 1 for each in found)
    assert found[0].recipe == found[4].recipe


def test_repeats_alone():
    """`repeats` needs no sweep, and --set gives it."""
    assert [each.repeat for each in read(BASE, ["repeats=3"])] == [1, 2, 3]


def test_a_value_that_only_the_sweep_gives():
    """What every point gives need not stand in the recipe as well."""
    text = BASE.replace(", rate: 1", "") + "sweep: {load.phases.0.rate: [5, 10]}\n"
    assert [each.recipe.load.phases[0].rate for each in read(text)] == [5, 10]


def test_a_wrong_value_has_the_line_of_the_sweep():
    """An error of a point stands where its value stands; one of the recipe itself is said once."""
    text = BASE.replace("kind: llamacpp", "kind: llamacpp, modl: x") + (
        "sweep:\n  load.phases.0.rate:\n    - 5\n    - -1\n    - fast\n  load.max_tokens: [1, 2]\n"
    )
    found = problems(text)
    assert [(where, line) for where, line, _ in found] == [
        ("services.llm.modl", 2),
        ("load.phases.0.rate", 10),
        ("load.phases.0.rate", 11),
    ]


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ("sweep: {load.phases.0.rate: 5}", "has no list of values"),
        ("sweep: {load.phases.0.rate: []}", "has no list of values"),
        ("sweep: {load.phases.0.rate: [5, 5]}", "has 5 twice"),
        ("sweep: {name: [a, b]}", "cannot be swept"),
        ("sweep: {load.phases.3.rate: [5]}", "no index of a list of 1"),
        ("sweep: {services.llm.kind.x: [5]}", "is a single value"),
        ("sweep: {load.phases: [1], load.phases.0.rate: [1]}", "cannot both be swept"),
        ("sweep: {load.max_token: [5]}", "unknown key 'max_token'"),
        ("repeats: 0", "greater than or equal to 1"),
        ("repeats: often", "valid integer"),
    ],
)
def test_sweeps_that_cannot_be_meant(sweep, words):
    """What is no grid is refused, at its line."""
    found = problems(f"{BASE}{sweep}\n")
    assert any(words in message for _, _, message in found), found
    assert all(line for _, line, _ in found)


def test_a_grid_has_an_end():
    """A thousand runs are the most that a recipe asks for."""
    lists = ", ".join(f"load.x{key}: {list(range(11))}" for key in "abc")
    assert any("1331 points" in message for _, _, message in problems(f"{BASE}sweep: {{{lists}}}\n"))
    assert grid.size({"a": (1, 2), "b": (1, 2, 3)}) == 6
