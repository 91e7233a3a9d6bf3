"""Documents are held against the code: commands, links, the schema, the change log."""

import json
import re
from pathlib import Path

import pytest

from dashcam.commands import names
from jobs.catalog import catalog
from runs import reader
from runs.schema import json_schema

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", names())
def test_every_command_is_documented(name):
    """docs/commands.md tells of each command."""
    assert f"dashcam {name}" in (ROOT / "docs" / "commands.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Each relative link or picture of a page is a file of the project."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_ready_recipes_are_right(recipe):
    """Each ready recipe is read without an error."""
    assert reader.load(recipe, catalog())[0].name


def test_schema_is_current(golden):
    """The shipped JSON schema is the one that the models give."""
    golden(ROOT / "recipes" / "recipe.schema.json", json.dumps(json_schema(catalog()), indent=2) + "\n")
