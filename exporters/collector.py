"""What a collector is, and what it is given."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from prometheus_client.core import Metric


@dataclass(frozen=True)
class Context:
    """Where a collector reads and for whom. `errors` counts lines that could not be read, by collector."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    run_id: str | None = None
    pids: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)


class Collector(Protocol):
    """Reads one source. It may raise and it may hang: `exporters.runner` copes with both."""

    def collect(self) -> Iterable[Metric]:
        """Read the source once and return its families."""
        ...


class CollectorKind(Protocol):
    """What a file of this folder offers as `COLLECTOR`."""

    name: str
    help: str

    def create(self, context: Context) -> Collector:
        """Make a collector."""
        ...
