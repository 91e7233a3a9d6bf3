"""How far the load is: a small file that the supervisor, the command line and the report read."""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loadtests.aggregate import Aggregate
from loadtests.search.result import Found
from runs import atomic
from runs.manifest import PhaseSpan

PROGRESS = "progress.json"
RESULT = "result.json"

State = Literal["setup", "ready", "running", "drain", "done", "interrupted", "failed"]
End = Literal["done", "interrupted", "failed"]
Stop = Literal["time", "requests", "steady", "trace", "interrupted"]
"""What ended a phase: its `for`, its count, its steadiness, the end of its trace, or somebody who asked."""


class Span(PhaseSpan):
    """A phase as it happened (UTC), with what was counted in it by intended time. Durations and lags in seconds.

    `ended` of a phase that still goes on is its planned end. Lags come with the result only. `rate` is the mean of what
    the schedule asks for over the phase as it lasted. Of a load of several processes counts are sums, and CPU and loop
    lag those of the process that had the most.
    """

    stopped: Stop | None = Field(None, description="what ended the phase; null: it goes on")
    burstiness: float | None = Field(None, description="gamma: shape of the gaps")
    scheduled: int | None = Field(None, description="open loop: requests that the schedule holds for it")
    intended: int = 0
    sent: int = 0
    ok: int = 0
    failed: int = 0
    dropped: int = Field(0, description="never sent by a tool that had nobody left to send them; part of `intended`")
    lag_p50: float | None = Field(None, description="client lag: sent - intended")
    lag_p99: float | None = None
    lag_max: float | None = None
    cpu_seconds: float | None = Field(None, description="CPU time of the (busiest) load process in this phase")
    cpu_waited_seconds: float | None = Field(
        None, description="time for which its event loop was ready to run, and had no CPU"
    )
    cpu_share: float | None = Field(None, description="the same as a share of the cores that it may use")
    cpu_cores: int = Field(1, description="cores that it may use: an event loop one, a tool all")
    loop_lag_max: float | None = Field(None, description="longest delay of the client's event loop")


class Progress(BaseModel):
    """Counts since the start; rates over about 5 s, latencies over about 10 s, in seconds, null where there are none.

    What was counted in the current phase is in the last of `phases`.
    """

    model_config = ConfigDict(extra="ignore")

    state: State
    message: str = Field("", description="why, where the state is failed")
    phase: str | None = None
    phase_started: datetime | None = None
    phase_ends: datetime | None = None
    started: datetime | None = Field(None, description="of the first phase")
    ends_at: datetime | None = Field(None, description="of the last phase, without the drain")
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
    errors: dict[str, int] = Field(default_factory=dict, description="the three most frequent kinds")
    phases: list[Span] = Field(default_factory=list)


class Result(BaseModel):
    """The load's own account of itself, kept in the recording."""

    model_config = ConfigDict(extra="ignore")

    state: End
    message: str = ""
    generator: str
    options: dict[str, Any]
    seed: int = Field(description="of the load; with the index of a phase, or the number of a request, all others")
    interrupted: bool = False
    phases: list[Span] = Field(default_factory=list)
    retries: int = 0
    errors: dict[str, int] = Field(default_factory=dict)
    loop_lag_max: float | None = None
    clock_step: float = Field(0.0, description="seconds by which the system's clock moved against the monotonic one")
    violation: str | None = Field(None, description="what the target's state as a whole was found wrong in at the end")
    dropped: int = Field(0, description="requests that a tool did not send because it had nobody left to send them")
    aggregates: list[Aggregate] = Field(default_factory=list, description="operations that have no record of their own")
    search: Found | None = Field(None, description="what a search for the highest rate found")
    warnings: list[str] = Field(default_factory=list, description="what a tool says against its own numbers")
    notes: dict[str, Any] = Field(default_factory=dict)


def write(directory: Path, progress: Progress) -> None:
    """Replace the progress file. Raises OSError."""
    atomic.write(directory / PROGRESS, progress.model_dump_json(), sync=False)


def write_result(directory: Path, result: Result) -> None:
    """Replace the result file. Raises OSError."""
    atomic.write(directory / RESULT, result.model_dump_json(indent=2) + "\n")


def read(directory: Path) -> Progress | None:
    """Return the last progress, or None where there is none yet."""
    try:
        return Progress.model_validate_json((directory / PROGRESS).read_bytes())
    except (OSError, ValidationError):
        return None
