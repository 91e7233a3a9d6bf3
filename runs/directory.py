"""The run directory: one place that says where each thing lies."""

from dataclasses import dataclass
from pathlib import Path

from runs import atomic


@dataclass(frozen=True)
class RunDirectory:
    """Everything a run leaves behind, `<root>/<id>/`. Paths only; nothing is read here."""

    path: Path

    @classmethod
    def create(cls, root: Path, run_id: str) -> "RunDirectory":
        """Make the directory and its folders. Raises OSError (read-only, full, exists)."""
        root.mkdir(parents=True, exist_ok=True)
        run = cls((root / run_id).resolve())
        run.path.mkdir()
        for folder in run.folders:
            folder.mkdir()
        run.live.mkdir(mode=0o700)
        return run

    @property
    def id(self) -> str:
        """The run id."""
        return self.path.name

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders that every run directory has from the start."""
        return (self.tsdb, self.dashboards, self.load, self.logs, self.configs)

    @property
    def manifest(self) -> Path:
        """What was run on what, and how it ended."""
        return self.path / "run.json"

    @property
    def recipe(self) -> Path:
        """The recipe as the person wrote it."""
        return self.path / "recipe.yaml"

    @property
    def tsdb(self) -> Path:
        """Plain Prometheus blocks, one folder a ULID."""
        return self.path / "tsdb"

    @property
    def dashboards(self) -> Path:
        """Dashboards as JSON."""
        return self.path / "dashboards"

    @property
    def load(self) -> Path:
        """Per-request records and what the load tool wrote."""
        return self.path / "load"

    @property
    def records(self) -> Path:
        """Every request, as Parquet."""
        return self.load / "requests.parquet"

    @property
    def traces(self) -> Path:
        """Traces as lines of OTLP JSON, one file a node; there where a recipe asks for the sidecar `otlp`."""
        return self.path / "traces"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.path / "logs"

    @property
    def configs(self) -> Path:
        """Configuration files as rendered, without secrets."""
        return self.path / "configs"

    @property
    def summary(self) -> Path:
        """Headline figures for machines."""
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        """The self-contained report."""
        return self.path / "report.html"

    @property
    def sums(self) -> Path:
        """The seal."""
        return self.path / "SHA256SUMS"

    @property
    def live(self) -> Path:
        """Secrets, sockets and hand-over files of a run that lives; mode 0700, removed before the seal."""
        return self.path / "live"

    @property
    def series_copy(self) -> Path:
        """What the series are rebuilt from when the head is gone: a Prometheus's data, never far behind."""
        return self.live / "tsdb"

    @property
    def series_log(self) -> Path:
        """The copy as it is kept where no block was made of it."""
        return self.path / "tsdb.wal"

    @property
    def attempts(self) -> Path:
        """Earlier attempts of a run that Slurm started again: each a recording of its own, in folders 1, 2, ..."""
        return self.path / "attempts"

    @property
    def sealed(self) -> bool:
        """Whether the seal is there (not whether it holds: `runs.seal.verify`)."""
        return self.sums.is_file()

    def secret(self, name: str, value: str) -> Path:
        """Keep `value` in a 0600 file that is not part of the recording; returns its path."""
        path = self.live / name
        atomic.write(path, value, mode=0o600)
        return path
