"""watch.grafana: a word, or a mapping; YAML's own idea of `off` is taken for the word."""

import pytest

from jobs.catalog import catalog
from runs import document, reader
from runs.document import RecipeError
from runs.recipe import Grafana

TEXT = """\
name: x
watch: {{grafana: {value}}}
services: {{llm: {{kind: llamacpp, model: tiny}}}}
load: {{generator: openai, phases: [{{name: steady, for: 5s, rate: 1}}]}}
"""


def grafana(value):
    """Read a recipe with that value."""
    return reader.check(document.parse(TEXT.format(value=value), "x.yaml"), catalog())[0].watch.grafana


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("auto", Grafana()),
        ("off", Grafana(mode="off")),
        ('"off"', Grafana(mode="off")),
        ("required", Grafana(mode="required")),
        ("{listen: loopback, port: 3000}", Grafana(listen="loopback", port=3000)),
        ("{mode: off}", Grafana(mode="off")),
    ],
)
def test_forms(value, expected):
    """Each form is read."""
    assert grafana(value) == expected


@pytest.mark.parametrize(("value", "words"), [("maybe", "'auto', 'off' or 'required'"), ("{port: 80}", "1024")])
def test_others_are_errors(value, words):
    """What is none is an error that names what is."""
    with pytest.raises(RecipeError, match=words):
        grafana(value)
