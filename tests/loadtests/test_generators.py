"""The catalogue of generators."""

import pytest

from loadtests.generators import registry


def test_they_are_found_by_being_there():
    """Each file of the folder that offers GENERATOR is known by its name."""
    assert {"openai", "vector"} <= registry().keys()
    assert all(name == kind.name for name, kind in registry().items())


@pytest.mark.parametrize("name", sorted(registry()))
def test_every_option_is_described(name):
    """Each key that a recipe may hold says what it is; unknown keys are refused and values frozen."""
    kind = registry()[name]
    assert bool(kind.targets) != bool(kind.roles)
    assert kind.Options.model_config["extra"] == "forbid"
    assert kind.Options.model_config["frozen"]
    schema = kind.Options.model_json_schema()
    for model in (schema, *schema.get("$defs", {}).values()):
        for key, value in model["properties"].items():
            assert value.get("description"), f"{name}: {key}"
