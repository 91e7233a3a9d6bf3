"""What a verdict rests on: the requests of the measured window, and how well the run was watched meanwhile."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prometheus.client import Client
from reports.statistics import Floats
from runs.directory import RunDirectory
from runs.manifest import Manifest, PhaseSpan, Target
from runs.recipe import Recipe

_TIMES = ("intended", "sent", "first_byte", "first_token", "done")


@dataclass(frozen=True)
class Requests:
    """Columns of the records, times in UTC seconds with NaN where nothing happened."""

    phase: np.ndarray[Any, np.dtype[np.object_]]
    ok: np.ndarray[Any, np.dtype[np.bool_]]
    error: list[str | None]
    times: dict[str, Floats]
    tokens_in: Floats
    tokens_out: Floats
    recall: Floats
    retries: int
    gaps: Floats
    gap_counts: np.ndarray[Any, np.dtype[np.int64]]

    def __len__(self) -> int:
        return len(self.ok)

    def select(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> "Requests":
        """Return the requests that `mask` names."""
        owner = np.repeat(np.arange(len(self)), self.gap_counts)
        return Requests(
            self.phase[mask],
            self.ok[mask],
            [error for error, kept in zip(self.error, mask, strict=True) if kept],
            {name: values[mask] for name, values in self.times.items()},
            self.tokens_in[mask],
            self.tokens_out[mask],
            self.recall[mask],
            self.retries,
            self.gaps[mask[owner]] if len(self.gaps) else self.gaps,
            self.gap_counts[mask],
        )


def read_requests(path: Path) -> Requests:
    """Read the Parquet records; without a file there are no requests. Raises OSError, pyarrow.ArrowInvalid."""
    from runs.records import SCHEMA  # noqa: PLC0415 - beside its only use

    table = pq.read_table(path) if path.is_file() else SCHEMA.empty_table()

    def floats(name: str) -> Floats:
        column = pc.cast(table[name], pa.float64())
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)

    def moments(name: str) -> Floats:
        ns = table[name].cast(pa.int64())
        values: Floats = ns.to_numpy(zero_copy_only=False).astype(np.float64)
        # Nulls come as NaN; whole ns fit a float64 of UTC seconds to a quarter of a microsecond.
        return values / 1e9

    lists = table["gaps"].combine_chunks()
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    gaps = pc.list_flatten(lists).to_numpy(zero_copy_only=False).astype(np.float64)
    return Requests(
        phase=np.array(table["phase"].to_pylist(), dtype=object),
        ok=table["ok"].to_numpy(zero_copy_only=False).astype(bool),
        error=table["error"].to_pylist(),
        times={name: moments(name) for name in _TIMES},
        tokens_in=floats("tokens_in"),
        tokens_out=floats("tokens_out"),
        recall=floats("recall"),
        retries=int(pc.sum(table["retries"]).as_py() or 0),
        gaps=gaps,
        gap_counts=counts,
    )


@dataclass(frozen=True)
class Window:
    """The requests intended in some phases, and the figures they give. Times and durations in seconds."""

    phases: tuple[PhaseSpan, ...]
    requests: Requests

    @cached_property
    def seconds(self) -> float:
        """Length of the phases together."""
        return sum((phase.ended - phase.started).total_seconds() for phase in self.phases)

    def times(self, name: str) -> Floats:
        """Return the samples of latency, service, lag, ttft (per request), itl (per gap) or tpot (per request).

        latency = done - intended, service = done - sent, lag = sent - intended, ttft = first_token - intended,
        itl = each gap between pieces of content, pooled; tpot = (last - first content) / (output tokens - 1).
        All but lag count requests that succeeded.
        """
        if name == "itl":
            return self.requests.select(self.requests.ok).gaps
        requests = self.requests if name == "lag" else self.requests.select(self.requests.ok)
        times = requests.times
        if name == "tpot":
            sums = np.zeros(len(requests))
            np.add.at(sums, np.repeat(np.arange(len(requests)), requests.gap_counts), requests.gaps)
            many = requests.tokens_out > 1
            return np.asarray(sums[many] / (requests.tokens_out[many] - 1), dtype=np.float64)
        first, last = {
            "latency": ("intended", "done"),
            "service": ("sent", "done"),
            "lag": ("intended", "sent"),
            "ttft": ("intended", "first_token"),
        }[name]
        values = times[last] - times[first]
        return values[~np.isnan(values)]

    @property
    def count(self) -> int:
        """Requests intended."""
        return len(self.requests)

    @property
    def succeeded(self) -> int:
        """Requests answered well."""
        return int(self.requests.ok.sum())

    @property
    def failed(self) -> int:
        """Requests that failed, in whatever way."""
        return self.count - self.succeeded

    @property
    def error_ratio(self) -> float | None:
        """Failed of intended."""
        return self.failed / self.count if self.count else None

    @property
    def completed_rate(self) -> float | None:
        """Requests a second that were answered well inside the window."""
        return self.succeeded / self.seconds if self.seconds else None

    @property
    def tokens_rate(self) -> float | None:
        """Output tokens a second of the answers, as the server reports them."""
        tokens = self.requests.tokens_out[self.requests.ok]
        known = tokens[~np.isnan(tokens)]
        return float(known.sum()) / self.seconds if len(known) and self.seconds else None

    @property
    def recall(self) -> float | None:
        """Mean recall of the answers."""
        known = self.requests.recall[~np.isnan(self.requests.recall)]
        return float(known.mean()) if len(known) else None

    @property
    def errors(self) -> dict[str, int]:
        """Failures by kind, most frequent first."""
        kinds = [error or "unknown" for error, ok in zip(self.requests.error, self.requests.ok, strict=True) if not ok]
        return dict(sorted(((kind, kinds.count(kind)) for kind in set(kinds)), key=lambda item: -item[1]))


@dataclass(frozen=True)
class Coverage:
    """How a target was watched in the measured window. `gap` is the longest time between two good scrapes, seconds."""

    target: Target
    scrapes: int
    up: int
    expected: int
    gap: float | None

    @property
    def share(self) -> float:
        """Good scrapes of expected ones, at most 1."""
        return min(1.0, self.up / self.expected) if self.expected else 0.0


@dataclass(frozen=True)
class Evidence:
    """All that the rules look at."""

    manifest: Manifest
    recipe: Recipe
    requests: Requests
    coverage: tuple[Coverage, ...]
    load_result: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def measured(self) -> Window:
        """Return the measured phases together."""
        return self.window([phase for phase in self.manifest.phases if phase.measured])

    def window(self, phases: Sequence[PhaseSpan]) -> Window:
        """Return some phases."""
        names = {phase.name for phase in phases}
        mask = np.array([name in names for name in self.requests.phase], dtype=bool)
        return Window(tuple(phases), self.requests.select(mask))

    def load_phase(self, name: str) -> dict[str, Any]:
        """Return what the load says of itself in a phase."""
        found = [span for span in self.load_result.get("phases", []) if span.get("name") == name]
        return found[0] if found else {}


def gather(run: RunDirectory, client: Client | None) -> Evidence:
    """Collect the evidence of a run; `client` is None where no series were saved. Raises OSError, PrometheusError."""
    manifest = Manifest.load(run.manifest)
    recipe = Recipe.model_validate(manifest.recipe)
    result: dict[str, Any] = {}
    path = run.load / "result.json"
    if path.is_file():
        result = json.loads(path.read_bytes())
    measured = [phase for phase in manifest.phases if phase.measured]
    covered = tuple(_coverage(target, measured, recipe.watch.interval, client) for target in manifest.targets)
    return Evidence(manifest, recipe, read_requests(run.records), covered, result)


def _coverage(target: Target, phases: Sequence[PhaseSpan], interval: float, client: Client | None) -> Coverage:
    """Count the good scrapes of a target phase by phase; the time between two phases is nobody's gap."""
    scrapes, up, expected, gap = 0, 0, 0, None
    for phase in phases:
        start, end = phase.started.timestamp(), phase.ended.timestamp()
        expected += max(0, int((end - start) / interval))
        if client is None or end <= start:
            continue
        selector = f'up{{job="{_quoted(target.job)}",instance="{_quoted(target.instance)}"}}'
        for series in client.samples(selector, start, end):
            good = series.times[series.values == 1.0]
            scrapes += len(series.times)
            up += len(good)
            longest = float(np.diff(np.concatenate([[start], good, [end]])).max())
            gap = longest if gap is None else max(gap, longest)
    return Coverage(target, scrapes, up, expected, gap)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
