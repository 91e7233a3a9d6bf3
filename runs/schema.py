"""The recipe as a JSON schema, for editors that complete and check while a person writes."""

from typing import Any

from pydantic import BaseModel

from runs.reader import Catalog
from runs.recipe import Recipe


def json_schema(catalog: Catalog) -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a recipe file, with the keys of every known kind and generator."""
    schema = Recipe.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "dashcam recipe"
    definitions["Service"] = _by_name(definitions["Service"], "kind", dict(catalog.services), definitions)
    definitions["Load"] = _by_name(definitions["Load"], "generator", dict(catalog.generators), definitions)
    watched = definitions["Watch"]["properties"]["exporters"]
    watched["items"] = {"enum": sorted(catalog.exporters)}
    return schema


def _by_name(
    common: dict[str, Any], key: str, models: dict[str, type[BaseModel]], definitions: dict[str, Any]
) -> dict[str, Any]:
    """Describe an object whose further keys depend on the word under `key`."""
    shared = {name: value for name, value in common["properties"].items() if name != "options"}
    variants = []
    for name, model in sorted(models.items()):
        own = model.model_json_schema(by_alias=True)
        definitions.update(own.pop("$defs", {}))
        usual = {key: {**shared[key], "default": value} for key, value in getattr(model, "common", {}).items()}
        variants.append(
            {
                "type": "object",
                "title": name,
                "properties": {**shared, **usual, **own.get("properties", {}), key: {"const": name}},
                "required": sorted({*common.get("required", []), *own.get("required", [])}),
                "additionalProperties": False,
            }
        )
    return {"oneOf": variants, "description": common.get("description", "")}
