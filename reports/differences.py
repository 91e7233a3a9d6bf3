"""In what runs differ beside their figures: leaves of the recipe, programs, nodes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runs.manifest import Manifest

_NOT_WHAT_IS_RUN = {"description", "load.seed"}
"""Leaves in which repeats may differ."""
_HARDWARE = ("cpu", "cores", "memory_bytes", "gpus", "gpu", "os", "kernel")
"""What of a node is the same on its like: its name is not."""


def kind(manifest: Manifest) -> str:
    """Return what repeats have in common, as a key: recipe, programs and their releases, number and make of nodes."""
    recipe = {key: value for key, value in leaves(manifest.recipe) if key not in _NOT_WHAT_IS_RUN}
    return json.dumps([recipe, manifest.versions, _hardware(manifest)], sort_keys=True, default=str)


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf with its dotted key, as `--set` writes it."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and value and isinstance(value[0], (dict, list)):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{key}.{index}" if key else str(index))
    else:
        yield key, value


def recipes(manifests: Sequence[Manifest]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the leaves in which recipes differ, with each one's value; None: it is not there, or null."""
    return _differing([dict(leaves(manifest.recipe)) for manifest in manifests], {"description"})


def versions(manifests: Sequence[Manifest]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the programs whose releases differ."""
    return _differing([manifest.versions for manifest in manifests])


def nodes(manifests: Sequence[Manifest]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return in what the nodes differ: their number, names, and make."""
    found = []
    for manifest in manifests:
        facts: dict[str, Any] = {
            "allocation": manifest.allocation,
            "nodes": ", ".join(node.name for node in manifest.nodes),
        }
        for name in _HARDWARE:
            values = dict.fromkeys(str(node.facts[name]) for node in manifest.nodes if node.facts.get(name) is not None)
            if values:
                facts[name] = ", ".join(values)
        found.append(facts)
    return _differing(found)


def _hardware(manifest: Manifest) -> list[Any]:
    makes = [{name: node.facts.get(name) for name in _HARDWARE} for node in manifest.nodes]
    return [manifest.allocation, *sorted(json.dumps(make, sort_keys=True, default=str) for make in makes)]


def _differing(
    tables: Sequence[Mapping[str, Any]], besides: frozenset[str] | set[str] = frozenset()
) -> list[tuple[str, tuple[Any, ...]]]:
    names = dict.fromkeys(name for table in tables for name in table if name not in besides)
    rows = [(name, tuple(table.get(name) for table in tables)) for name in names]
    return [(name, values) for name, values in rows if any(value != values[0] for value in values[1:])]
