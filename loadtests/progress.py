"""How far the load is: a small file that the supervisor, the command line and the report read."""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from runs import atomic
from runs.manifest import PhaseSpan

PROGRESS = "progress.json"
RESULT = "result.json"

State = Literal["setup", "ready", "running", "drain", "done", "interrupted", "failed"]


class Span(PhaseSpan):
    """A phase as it happened, with what was counted in it by intended time."""

    intended: int = 0
    sent: int = 0
    ok: int = 0
    failed: int = 0
    lag_p50: float | None = None
    lag_p99: float | None = None
    lag_max: float | None = None
    cpu_seconds: float | None = None
    loop_lag_max: float | None = None


class Progress(BaseModel):
    """Counts since the start; rates over about 5 s, latencies over about 10 s, in seconds."""

    model_config = ConfigDict(extra="ignore")

    state: State
    message: str = ""
    phase: str | None = None
    started: datetime | None = None
    ends_at: datetime | None = None
    intended: int = 0
    sent: int = 0
    done: int = 0
    ok: int = 0
    failed: int = 0
    in_flight: int = 0
    rate_intended: float | None = None
    rate_done: float | None = None
    p50_latency: float | None = None
    p99_latency: float | None = None
    errors: dict[str, int] = {}
    phases: list[Span] = []


class Result(BaseModel):
    """The load's own account of itself, kept in the recording."""

    model_config = ConfigDict(extra="ignore")

    generator: str
    options: dict[str, Any]
    seed: int
    interrupted: bool
    phases: list[Span]
    retries: int
    errors: dict[str, int]
    notes: dict[str, Any]


def write(directory: Path, progress: Progress) -> None:
    """Replace the progress file. Raises OSError."""
    atomic.write(directory / PROGRESS, progress.model_dump_json(), sync=False)


def read(directory: Path) -> Progress | None:
    """Return the last progress, or None where there is none yet."""
    try:
        return Progress.model_validate_json((directory / PROGRESS).read_bytes())
    except (OSError, ValidationError):
        return None
