"""A run of a ready recipe, made as its user makes one, and its recording, asked as its reader asks it."""

import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from prometheus import replay, snapshot
from prometheus.client import Client
from tests.jobs.driver import Driver

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


@dataclass(frozen=True)
class Recording:
    """A recording that is open in Prometheus; `start` and `end` of its series in UTC seconds."""

    path: Path
    manifest: Mapping[str, Any]
    summary: Mapping[str, Any]
    records: pd.DataFrame
    client: Client
    start: float
    end: float
    said: str

    @property
    def rate_window(self) -> float:
        """Seconds over which the rules take rates: see docs/prometheus.md."""
        return max(4 * float(self.manifest["recipe"]["watch"]["interval"]), 4.0)

    @property
    def instants(self) -> np.ndarray:
        """UTC seconds, one apart, at which a rate's window lies within the measured phase."""
        (span,) = (span for span in self.manifest["phases"] if span["measured"])
        begin, end = (datetime.fromisoformat(span[edge]).timestamp() for edge in ("started", "ended"))
        return np.arange(begin + self.rate_window, end, 1.0)

    def names(self, prefix: str) -> set[str]:
        """Return the metrics that begin so."""
        return {name for name in self.client.label_values("__name__", self.start, self.end) if name.startswith(prefix)}

    def mean(self, selector: str) -> float:
        """Return the mean of one series over the measured phase."""
        at = self.instants
        (series,) = self.client.query_range(selector, at[0], at[-1], 1.0)
        return float(np.nanmean(series.values))

    def last(self, expression: str) -> float:
        """Return the sum of what an expression gives at the end."""
        return sum(float(each.values[-1]) for each in self.client.query(expression, self.end))

    def counted(self, counter: str) -> float:
        """Return by how much a counter rose from the first scrape to the last; increase() would extrapolate."""
        return self.last(f"max_over_time({counter}[1h]) - min_over_time({counter}[1h])")

    def sent_rate(self, column: str | None) -> float:
        """Return what the client's records say of the same windows as `mean`: ends a second, or a column's sum."""
        done = self.records["done"].astype("int64").to_numpy() / 1e9
        weights = np.ones(len(done)) if column is None else self.records[column].fillna(0).to_numpy(dtype=float)
        width = self.rate_window
        return float(np.mean([weights[(done > at - width) & (done <= at)].sum() / width for at in self.instants]))

    def mean_time(self, until: str) -> float:
        """Return the mean seconds from the sending until a moment, of the measured phase's good requests."""
        good = self.records[self.records["ok"] & (self.records["phase"] == "steady")]
        return float((good[until] - good["sent"]).dt.total_seconds().mean())


@contextlib.contextmanager
def recorded(
    recipe: Path, settings: Mapping[str, object], folder: Path, meanwhile: Callable[[str], None] | None = None
) -> Iterator[tuple[Recording, list[dict[str, Any]]]]:
    """Run a recipe to its end; give its recording and what `dashcam dashboards --run` says of each panel.

    `meanwhile` is called with the service's address in the measured phase. The recording is verified, nothing is left.
    """
    driver = Driver(folder / "recordings")
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    child = driver.start("run", str(recipe), *words)
    try:
        if meanwhile:
            driver.wait_phase("steady", within=300)
            (port,) = (each["port"] for each in driver.manifest()["processes"] if each["role"] == "service")
            meanwhile(f"http://127.0.0.1:{port}")
        out, err = child.communicate(timeout=240)
    finally:
        child.terminate()
    (path,) = driver.runs()
    manifest = driver.manifest()
    assert manifest["ending"] == "completed", out + err
    assert driver.left() == []
    assert list(driver.scratch()) == []
    sealed = driver.call("verify", str(path))
    assert sealed.returncode == 0, sealed.stdout + sealed.stderr
    panels = driver.call("dashboards", "--run", str(path), "--json")
    assert panels.returncode == 0, panels.stdout + panels.stderr
    blocks = snapshot.blocks(path / "tsdb")
    with (
        tempfile.TemporaryDirectory() as scratch,
        replay.open_blocks(path / "tsdb", Path(scratch)) as opened,
    ):
        recording = Recording(
            path=path,
            manifest=manifest,
            summary=json.loads((path / "summary.json").read_text()),
            records=pq.read_table(path / "load/requests.parquet").to_pandas(),
            client=opened.client,
            start=min(block.start for block in blocks),
            end=max(block.end for block in blocks),
            said=out,
        )
        yield recording, json.loads(panels.stdout)


@dataclass(frozen=True)
class Row:
    """A line of the table that `make test-heavy` ends with: figures as measured, seconds and requests a second."""

    service: str
    version: str
    ready: float
    rate: float
    p50: float
    p99: float | None
    verdict: str
    alerts: str
    filled: int
    reasoned: int

    @classmethod
    def of(cls, name: str, version: str, recording: Recording, panels: list[dict[str, Any]]) -> "Row":
        """Read the figures off a recording."""
        measured = recording.summary["measured"]
        times = measured["latency_seconds"]
        warned = sum(found["level"] == "warning" for found in recording.summary["findings"])
        return cls(
            service=name,
            version=version,
            ready=recording.manifest["timings"]["start_to_services_ready"],
            rate=measured["completed_per_second"],
            p50=times["p50"]["value"],
            p99=(times.get("p99") or {}).get("value"),
            verdict=("VALID" if recording.summary["valid"] else "INVALID") + (f", {warned} warned" if warned else ""),
            alerts=", ".join(alert["alert"] for alert in recording.summary["alerts"]) or "none",
            filled=sum(not panel["empty"] for panel in panels),
            reasoned=sum(panel["empty"] and panel["reason"] is not None for panel in panels),
        )

    def cells(self) -> tuple[str, ...]:
        """Return it as text."""
        return (
            self.service,
            self.version,
            f"{self.ready:.1f} s",
            f"{self.rate:.1f}/s",
            f"{1e3 * self.p50:.2f} ms",
            "-" if self.p99 is None else f"{1e3 * self.p99:.1f} ms",
            self.verdict,
            self.alerts,
            str(self.filled),
            str(self.reasoned),
        )


HEADINGS = (
    *("service", "version", "start to ready", "ended", "p50", "p99", "verdict", "alerts"),
    *("panels with data", "with a reason"),
)
assert len(HEADINGS) == len(dataclasses.fields(Row))
