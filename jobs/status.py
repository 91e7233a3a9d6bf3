"""Where a run stands, told from its record and from what still lives."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from jobs import living
from loadtests import progress
from runs.directory import RunDirectory
from runs.manifest import Manifest, ManifestError


class Status(BaseModel):
    """A run's state in words that `list` and `status` show. `problem` is empty when all is well."""

    id: str
    path: str
    state: str
    ending: str | None = None
    reason: str = ""
    verdict: str | None = None
    job: str | None = None
    sealed: bool = False
    problem: str = ""
    processes: list[dict[str, Any]] = []
    progress: dict[str, Any] | None = None
    endpoints: dict[str, str] = {}
    unfinished: bool = Field(False, exclude=True, description="sealed in haste")
    dead: bool = Field(False, exclude=True, description="nobody is left to seal it")

    def lines(self) -> Iterator[str]:
        """Yield what a person wants to see of a run that lives."""
        if self.job:
            yield f"Slurm job {self.job}"
        for process in self.processes:
            state = "ended" if process["ended"] else "ready" if process["ready"] else "starting"
            yield f"{process['name']:<20} {process['role']:<10} pid {process['pid']:<8} {state}"
        for what in ("prometheus", "grafana"):
            if what in self.endpoints:
                user, file = self.endpoints[f"{what}_user"], self.endpoints[f"{what}_password_file"]
                yield f"{what.capitalize()}: {self.endpoints[what]} (user {user}, password in {file})"


def of(run: RunDirectory) -> Status:
    """Return the status of a run. An unreadable manifest is a status too, not an error."""
    try:
        manifest = Manifest.load(run.manifest)
    except ManifestError as error:
        return Status(id=run.id, path=str(run.path), state="unreadable", problem=str(error).splitlines()[0])
    state = progress.read(run.load)
    verdict = manifest.verdict
    life, problem = _life(run, manifest)
    return Status(
        id=manifest.id,
        path=str(run.path),
        state=manifest.state,
        ending=manifest.ending,
        reason=manifest.reason,
        verdict=None if verdict is None else "VALID" if verdict.valid else "INVALID",
        job=living.job_id(run),
        sealed=run.sealed,
        problem=problem,
        processes=[process.model_dump(mode="json") for process in manifest.processes],
        progress=state.model_dump(mode="json") if state is not None and manifest.state != "ended" else None,
        endpoints=manifest.endpoints,
        unfinished=run.sealed and manifest.unfinished,
        dead=life == "dead",
    )


def _life(run: RunDirectory, manifest: Manifest) -> tuple[living.Life | None, str]:
    """Return how it is with a run (None: that cannot be asked), and what is wrong with that."""
    try:
        life = living.of(run, manifest)
    except living.SlurmError as error:
        return None, str(error)
    problems: dict[living.Life, str] = {
        "dead": f"its supervisor is gone: `dashcam recover {run.id}` saves what there is",
        "elsewhere": f"it was begun on {living.elsewhere(manifest)}: only there can be told whether it lives",
    }
    return life, problems.get(life, "")
