"""Files of statements, and options of an `sql` load, without a server."""

import random

import pytest
from pydantic import ValidationError

from loadtests.generators.sql import Options
from loadtests.outcome import SetupError
from loadtests.sql import statements

GOOD = """\
statements:
  by-id:
    sql: SELECT * FROM items WHERE id = %(id)s AND name LIKE 'a%%'
    weight: 3
    parameters: {id: {integer: [1, 10]}}
    rows: [0, 1]
  add:
    sql: ["INSERT INTO items VALUES (%(id)s, %(name)s)", "SELECT 1"]
    parameters: {id: {one_of: [1, 2]}, name: {text: 5}}
    rows: 1
"""


def test_a_file_of_statements(tmp_path):
    """Statements have names, weights, and parameters that a seed draws within their bounds."""
    (tmp_path / "s.yaml").write_text(GOOD)
    found = statements.read(tmp_path / "s.yaml")
    assert {name: statement.weight for name, statement in found.items()} == {"by-id": 3, "add": 1}
    assert len(found["add"].texts) == 2
    number = found["by-id"].parameters["id"]
    assert {number.draw(random.Random(seed)) for seed in range(200)} == set(range(1, 11))
    text = found["add"].parameters["name"]
    assert text.draw(random.Random(1)) == text.draw(random.Random(1)) != text.draw(random.Random(2))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("statements:", "statement:", "statements: Field required"),
        ("integer: [1, 10]", "integer: [10, 1]", "10 is more than 1"),
        ("integer: [1, 10]", "integer: [1, 10], text: 3", "exactly one of"),
        ("{id: {integer: [1, 10]}}", "{}", "'id' is no parameter that is described"),
        ("'a%%'", "'a%'", "written %%"),
        ("weight: 3", "weigth: 3", "by-id.weigth: Extra inputs"),
        ("by-id:", "by id:", "by id"),
        ("rows: 1", "rows: [", "is no YAML"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, old, new, words):
    """What is wrong with a file is said with the place in it."""
    (tmp_path / "s.yaml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(SetupError, match=words):
        statements.read(tmp_path / "s.yaml")


def test_a_file_that_is_not_there(tmp_path):
    """A path that leads nowhere is named."""
    with pytest.raises(SetupError, match=r"none\.yaml cannot be read"):
        statements.read(tmp_path / "none.yaml")


def test_the_path_of_a_file_is_where_the_recipe_is_read(tmp_path, monkeypatch):
    """A relative path is one of the directory in which the recipe is read, wherever the load runs."""
    monkeypatch.chdir(tmp_path)
    options = Options.model_validate({"statements": "s.yaml"})
    monkeypatch.chdir("/")
    assert Options.model_validate(options.model_dump(mode="json")).statements == tmp_path / "s.yaml"


@pytest.mark.parametrize("options", [{"mix": {"tpcb": 0}}, {"mix": {"tpcc": 1}}, {"table_prefix": 'a"b'}, {"scale": 0}])
def test_options_that_cannot_be(options):
    """Mixes without weight, unknown transactions and names that are not plain are refused."""
    with pytest.raises(ValidationError):
        Options.model_validate(options)
