"""What a collector is, what it is given, and how a file of this folder offers one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from prometheus_client.core import Metric

_SHORTEST, _LONGEST = 0.1, 3600.0


class OptionError(ValueError):
    """A collector cannot be made from these options; the text says what to do."""


class Malformed:
    """Counts what a collector's sources held that could not be read. Shown as exporter_parse_errors_total."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, count: int = 1) -> None:
        """Add `count` lines or values."""
        self.count += count


class Late:
    """Counts a collector's runs in which a part of its source did not answer in time.

    Shown in exporter_collector_timeouts_total, with the runs that missed the deadline as a whole.
    """

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        """Add a run."""
        self.count += 1


@dataclass(frozen=True)
class Context:
    """Where a collector reads and for whom.

    `proc_root` and `sys_root` stand for /proc and /sys (`--root`). `options` are the values of the collectors' own
    options by name without dashes, each as often as it was given. `within` is how long, in seconds, a collector may
    wait for a program's first run: somewhat less than its deadline.
    """

    proc_root: Path = Path("/proc")
    sys_root: Path = Path("/sys")
    run_id: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    malformed: Malformed = field(default_factory=Malformed)
    late: Late = field(default_factory=Late)
    within: float = 0.85

    def option(self, name: str) -> str | None:
        """Return the last value of option `name`; None where it was not given."""
        values = self.options.get(name, ())
        return values[-1] if values else None

    def seconds(self, name: str, default: float) -> float:
        """Return option `name` as seconds from 0.1 to 3600. Raises OptionError."""
        text = self.option(name)
        try:
            number = float(text) if text is not None else default
        except ValueError:
            number = 0.0
        if not _SHORTEST <= number <= _LONGEST:
            raise OptionError(f"--{name} {text} is not a number of seconds from {_SHORTEST:g} to {_LONGEST:g}")
        return number


class Collector(Protocol):
    """Reads one source. It may raise and it may hang: `exporters.runner` copes with both."""

    @property
    def name(self) -> str:
        """The name by which it is asked for and by which its health is reported."""
        ...

    def collect(self) -> Iterable[Metric]:
        """Read the source once and return its families. Called by one thread at a time."""
        ...


@dataclass(frozen=True)
class Option:
    """An option of the command line that a collector brings: `name` without dashes."""

    name: str
    metavar: str
    help: str


@dataclass(frozen=True)
class CollectorKind:
    """What a file offers as `COLLECTOR`. `create` may raise OptionError.

    All kinds are imported to list them, so what is heavy (an HTTP client, a vendor's library) is imported in `create`.
    """

    name: str
    help: str
    create: Callable[[Context], Collector]
    options: tuple[Option, ...] = ()
