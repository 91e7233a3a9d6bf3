"""run.json: what was run on what, and how it ended."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runs import atomic

SCHEMA_VERSION = 1

State = Literal["submitted", "starting", "running", "ending", "ended"]
Ending = Literal["completed", "failed", "cancelled", "time_limit", "abandoned"]


class ManifestError(Exception):
    """run.json cannot be read; the text says why."""


class Record(BaseModel):
    """Base of the manifest's parts. Unknown keys are kept out of the way, so that newer files still read."""

    model_config = ConfigDict(extra="ignore")


class Node(Record):
    """A node of the allocation: index 0 is the head. `clock_offset_seconds` is against the head."""

    index: int
    name: str
    address: str
    facts: dict[str, Any] = Field(default_factory=dict)


class Process(Record):
    """A program that was started, in the words that find it again: pid and start time, or Slurm step."""

    name: str
    role: str
    node: int
    pid: int
    start_ticks: int = Field(description="field 22 of /proc/PID/stat: with the pid, it names one process for good")
    step: str | None = Field(None, description="Slurm step id, where the program runs on another node")
    log: str
    command: list[str] = Field(default_factory=list)
    port: int | None = None
    started: datetime
    ready: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = Field(None, description="negative: ended by that signal")
    stop_signal: int = 15
    contained: bool = Field(False, description="in an image: what was started passes one signal on")
    stopped_by_us: bool = False


class PhaseSpan(Record):
    """A phase as it happened, UTC."""

    name: str
    measured: bool
    started: datetime
    ended: datetime
    rate: float | None = None
    users: int | None = None
    arrival: str | None = None
    think: float = 0.0
    batch: int = Field(1, description="requests that each user of a closed loop sends at once")


class Place(Record):
    """Where a run stands in a sweep; numbers from 1. `values`: what the swept keys have here."""

    id: str
    number: int
    of: int
    values: dict[str, Any] = Field(default_factory=dict)
    repeat: int = 1


class Target(Record):
    """A scrape target: what Prometheus asked, on which node, with which labels."""

    job: str
    role: str
    node: str
    instance: str


class ImageFile(Record):
    """The image that a program ran in. `digest` is its source's, `sha256` and `size` (bytes) are the file's."""

    image: str
    version: str
    reference: str
    digest: str | None = None
    path: str
    sha256: str | None = None
    size: int = 0


class Finding(Record):
    """One thing that the verdict rests on."""

    rule: str
    level: Literal["invalid", "warning"]
    message: str
    evidence: dict[str, Any] = Field(default_factory=dict)


class Verdict(Record):
    """May these numbers be believed?"""

    valid: bool
    findings: list[Finding] = Field(default_factory=list)


class Manifest(Record):
    """The record of a run. Times are UTC; durations in seconds."""

    schema_version: int = SCHEMA_VERSION
    id: str
    recipe: dict[str, Any]
    state: State = "starting"
    ending: Ending | None = None
    reason: str = ""
    created: datetime
    ended: datetime | None = None
    allocation: Literal["local", "slurm"] = "local"
    held: bool = Field(
        False, description="the Slurm job is one that somebody held (salloc): it is not the run's to end"
    )
    sweep: Place | None = Field(None, description="of which sweep this is a run, and where in it")
    attempt: int = Field(1, description="how often Slurm has started the job; earlier ones are in attempts/")
    site: dict[str, Any] = Field(default_factory=dict, description="the site profile, as it was when the run was asked")
    slurm: dict[str, str] = Field(default_factory=dict)
    supervisor: Process | None = None
    nodes: list[Node] = Field(default_factory=list)
    processes: list[Process] = Field(default_factory=list)
    targets: list[Target] = Field(default_factory=list)
    phases: list[PhaseSpan] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
    images: dict[str, ImageFile] = Field(default_factory=dict, description="by the program's name; none: natively")
    seeds: dict[str, int] = Field(default_factory=dict)
    endpoints: dict[str, str] = Field(default_factory=dict)
    scratch: str = Field("", description="node-local directory of a run that lives; removed before the seal")
    timings: dict[str, float] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    verdict: Verdict | None = None
    unfinished: bool = Field(
        False, description="sealed in haste: tsdb.wal/ waits for `dashcam recover` to make blocks, verdict and report"
    )

    def save(self, path: Path) -> None:
        """Write the manifest whole. Raises OSError."""
        atomic.write(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read a manifest. Raises ManifestError."""
        try:
            manifest = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ManifestError(f"{path} is not a readable manifest: {error}") from error
        if manifest.schema_version > SCHEMA_VERSION:
            raise ManifestError(
                f"{path} has schema_version {manifest.schema_version}, this dashcam reads up to "
                f"{SCHEMA_VERSION}: use a newer one"
            )
        return manifest


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)
