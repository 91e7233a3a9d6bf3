"""What this installation knows, for the reader of recipes."""

from exporters.registry import names as exporter_names
from jobs.services import catalogue
from loadtests.kinds import registry as generators
from loadtests.schedules import trace
from loadtests.tools.base import ToolKind
from reports import objectives
from runs.reader import Catalog


def catalog() -> Catalog:
    """Return the kinds, generators, exporters and objectives that a recipe may name."""
    return Catalog(
        services={name: kind.Options for name, kind in catalogue().items()},
        generators={name: generator.Options for name, generator in generators().items()},
        exporters=("node", *exporter_names()),
        objective=objectives.check,
        roles={
            name: {role: not part.optional for role, part in generator.roles.items()}
            for name, generator in generators().items()
        },
        trace=_trace,
        tools=[name for name, kind in generators().items() if isinstance(kind, ToolKind)],
        alone=[name for name, kind in generators().items() if isinstance(kind, ToolKind) and kind.alone],
    )


def _trace(path: str, column: str | None) -> str | None:
    try:
        trace.read(path, column)
    except trace.TraceError as error:
        return str(error)
    return None
