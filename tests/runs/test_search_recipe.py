"""Recipes that ask for a search: read, refused with line and mend, and bounded by the allocation's time."""

import dataclasses

import pytest

from runs import document, reader
from runs.document import RecipeError
from tests.runs.test_reader import CATALOG, GOOD, read

SEARCHING = """\
name: edge
services:
  llm: {kind: llamacpp, model: small}
load:
  generator: openai
  phases:
    - {name: warmup, for: 5s, rate: 2}
  search: {start: 20, most: 500, probe: 10s, resolution: 10%}
objectives: {ttft_p99: 500ms}
"""


def problems(text, sets=()):
    """Return what is wrong with a recipe."""
    with pytest.raises(RecipeError) as caught:
        read(text, sets)
    return caught.value.problems


def test_a_search_is_read():
    """Its defaults; phases are warm-up, or may be left out; a resolved recipe reads again."""
    recipe = read(SEARCHING)
    search = recipe.load.search
    assert (search.start, search.most, search.probe, search.resolution, search.confirm) == (20, 500, 10, 0.1, 2)
    assert (search.settle, search.arrival) == (3, "poisson")
    assert [stage.name for stage in recipe.load.stages] == ["warmup"]
    without = SEARCHING.replace("  phases:\n    - {name: warmup, for: 5s, rate: 2}\n", "")
    assert read(without).load.phases == ()
    assert type(recipe).model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("text", "where", "line", "words"),
    [
        (SEARCHING.replace("start: 20", "start: 600"), "load.search", 8, "most is 500, below start (600)"),
        (SEARCHING.replace("resolution", "resolutoin"), "load.search.resolutoin", 8, "unknown key"),
        (SEARCHING.replace("10%", "fine"), "load.search.resolution", 8, "not a share"),
        (SEARCHING.replace("name: warmup", "name: steady"), "load", 4, "all phases are warm-up, and steady"),
        (SEARCHING.replace("name: warmup", "name: probe-1, measured: false"), "load", 4, "rename it"),
        (SEARCHING.replace("  search:", "  processes: 2\n  search:"), "load", 4, "one process"),
        (SEARCHING.replace("  search:", "  drain: 0\n  search:"), "load", 4, "needs a `drain`"),
        (SEARCHING.replace("ttft_p99: 500ms", ""), "", 1, "no bound to look for"),
        (SEARCHING.replace("ttft_p99: 500ms", "latency_p99@GET: 500ms"), "", 1, "judges all requests together"),
        (SEARCHING.replace("start: 20", "start: 0.1"), "", 1, "a higher start"),
        (GOOD[: GOOD.index("  phases")] + "objectives: {}\n", "load", 4, "phases are missing"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, where, line, words):
    """Each mistake names its place and what to do."""
    found = [problem for problem in problems(text) if words in f"{problem.message} {problem.mend}"]
    assert [(problem.where, problem.line) for problem in found] == [(where, line)], problems(text)


def test_a_tool_makes_its_own_requests():
    """A search by a tool is refused before anything starts."""
    catalog = dataclasses.replace(CATALOG, tools=["openai"])
    with pytest.raises(RecipeError) as caught:
        reader.check(document.parse(SEARCHING, "r.yaml"), catalog)
    assert [(problem.where, problem.line) for problem in caught.value.problems] == [("load.search", 8)]
    assert "leave search out" in caught.value.problems[0].mend
