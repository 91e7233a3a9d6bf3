"""Everything that a recipe may name under `load.generator`: our own generators, and tools of others."""

from loadtests import generators, tools
from loadtests.generators.base import GeneratorKind
from loadtests.tools.base import ToolKind


def registry() -> dict[str, GeneratorKind | ToolKind]:
    """Return every kind by its word."""
    return {**generators.registry(), **tools.registry()}
