"""Which dashboards, sections and panels fit a run."""

from pathlib import Path

import pytest

from grafana.choose import fitting
from grafana.needs import ANY, Facts, exporters, generators, kinds
from jobs.catalog import catalog
from runs import reader
from runs.recipe import Recipe

RECIPES = Path(__file__).parents[2] / "recipes"


def chosen(recipe):
    """Return names of dashboards with the titles of their panels."""
    return {
        board.name: [panel.title for section in board.sections for panel in section.panels] for board in fitting(recipe)
    }


def of_file(name):
    """Choose for a recipe of ours."""
    return chosen(reader.load(RECIPES / f"{name}.yaml", catalog(), [])[0])


@pytest.mark.parametrize(
    ("name", "boards"),
    [
        ("demo", {"overview", "load", "llm", "gpu", "lustre", "node", "recorder"}),
        ("pgvector", {"overview", "load", "retrieval", "sql", "node", "recorder"}),
        ("sql", {"overview", "load", "sql", "node", "recorder"}),
        ("s3", {"overview", "load", "storage", "node", "recorder"}),
        ("triton", {"overview", "load", "llm", "node", "recorder"}),
        ("files", {"overview", "load", "storage", "lustre", "node", "recorder"}),
        ("faiss", {"overview", "load", "retrieval", "node", "recorder"}),
    ],
)
def test_a_recipe_gets_the_dashboards_of_what_it_runs(name, boards):
    """Services, load and sidecars decide."""
    found = of_file(name)
    assert set(found) == boards
    assert next(iter(found)) == "overview"


def test_sections_of_other_services_are_left_out():
    """A run of llama.cpp has no panel of vLLM, one of Triton none of tokens."""
    demo, triton = of_file("demo")["llm"], of_file("triton")["llm"]
    assert "Slots" in demo
    assert "KV cache" not in demo
    assert "Batch" in triton
    assert "Time to first token" not in triton
    assert "Requests ended" in triton
    assert "Requests ended" not in demo


def test_a_command_counts_as_what_it_speaks():
    """A program that is not known and speaks OpenAI's protocol may be vLLM or llama.cpp."""
    recipe = Recipe.model_validate(
        {
            "name": "own",
            "services": {"x": {"kind": "command", "options": {"command": ["vllm"]}}},
            "watch": {"exporters": []},
            "load": {"generator": "openai", "phases": [{"name": "steady", "for": "5s", "rate": 1}]},
        }
    )
    found = chosen(recipe)
    assert {"KV cache", "Slots"} <= set(found["llm"])
    assert "node" not in found
    assert "CPU" not in found["overview"]


def test_needs_are_met_by_any_of_what_they_name():
    """And say in words what it is."""
    facts = Facts(frozenset({"pgvector"}), "sql", frozenset({"node"}))
    assert ANY.met(facts)
    assert kinds("pgvector", "postgres").met(facts)
    assert generators("sql").met(facts)
    assert not exporters("gpu").met(facts)
    assert str(ANY) == "any run"
    assert str(kinds("b", "a")) == "a service of kind a or b"
