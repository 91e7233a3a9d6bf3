"""Made-up runs: requests of a simulated service, a manifest, and a whole run directory with real TSDB blocks."""

import json
import math
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reports import requests
from reports.evidence import Coverage, Evidence
from reports.servers import Servers
from runs.directory import RunDirectory
from runs.manifest import Manifest, Node, PhaseSpan, Process, Target
from runs.recipe import Recipe
from runs.records import SCHEMA

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
"""When the first phase begins."""

Row = dict[str, Any]
Service = Callable[[float], float]


def row(phase: str, intended: float, took: float, **changes: Any) -> Row:
    """Make a request that was intended `intended` seconds after START and took `took` seconds."""
    return {
        "phase": phase, "user": None, "intended": intended, "sent": intended + 0.0002, "first_byte": None,
        "first_token": None, "done": intended + took, "ok": True, "error": None, "status": 200, "received": 100,
        "tokens_in": None, "tokens_out": None, "gaps": None, "recall": None, "retries": 0,
        "operation": None, "sent_bytes": None, "stages": None,
    } | changes  # fmt: skip


def table(rows: Sequence[Row]) -> pa.Table:
    """Turn rows into the table that a load writes."""
    base = int(START.timestamp() * 1e9)
    columns: dict[str, list[Any]] = {"request": list(range(len(rows)))}
    for name in SCHEMA.names[1:]:
        values = [one[name] for one in rows]
        if name in {"intended", "sent", "first_byte", "first_token", "done"}:
            values = [None if value is None else base + round(value * 1e9) for value in values]
        columns[name] = values
    return pa.table(columns, schema=SCHEMA)


def open_loop(
    rng: np.random.Generator, phase: str, begin: float, seconds: float, *, rate: float, service: Service
) -> Iterator[Row]:
    """Yield the requests of a Poisson phase; `service` says how long a request intended at a moment takes."""
    at = begin + rng.exponential(1 / rate)
    while at < begin + seconds:
        yield row(phase, at, service(at))
        at += rng.exponential(1 / rate)


def closed_loop(
    phase: str, begin: float, seconds: float, *, users: int, took: float, think: float = 0.0
) -> Iterator[Row]:
    """Yield the requests of users who each wait for an answer, think, and ask again."""
    for user in range(users):
        at = begin
        while at < begin + seconds:
            yield row(phase, at, took, user=user)
            at += took + think


def queue(rng: np.random.Generator, mean: float) -> Service:
    """Make a service with one place and exponential work of `mean` seconds: M/M/1."""
    free = -math.inf

    def take(at: float) -> float:
        nonlocal free
        free = max(at, free) + rng.exponential(mean)
        return free - at

    return take


def span(name: str, begin: float, seconds: float, *, measured: bool = True, **asked: Any) -> PhaseSpan:
    """Make a phase that begins `begin` seconds after START."""
    started = START + timedelta(seconds=begin)
    return PhaseSpan(name=name, measured=measured, started=started, ended=started + timedelta(seconds=seconds), **asked)


STEADY = span("steady", 5.0, 30.0, rate=20.0, arrival="poisson")
WARMUP = span("warmup", 0.0, 5.0, measured=False, rate=5.0, arrival="poisson")
TARGETS = (
    Target(job="llm", role="service", node="n0", instance="n0:1"),
    Target(job="load", role="load", node="n0", instance="n0:2"),
    Target(job="node", role="sidecar", node="n0", instance="n0:3"),
    Target(job="exporter", role="sidecar", node="n0", instance="n0:4"),
)


def recipe(spans: Sequence[PhaseSpan], objectives: dict[str, Any] | None = None, **load: Any) -> dict[str, Any]:
    """Make a recipe as the manifest keeps it."""
    asked = [
        {"name": f"phase-{index}", "for": (p.ended - p.started).total_seconds(), "rate": p.rate, "users": p.users}
        for index, p in enumerate(spans)
    ] or [{"name": "steady", "for": 1.0, "rate": 1.0}]
    return {
        "name": "demo",
        "description": "a made-up service under a made-up load",
        "services": {"llm": {"kind": "llamacpp"}},
        "load": {"generator": "openai", "phases": asked, **load},
        "objectives": objectives or {},
    }


def manifest(phases: Sequence[PhaseSpan] = (WARMUP, STEADY), **changes: Any) -> Manifest:
    """Make the manifest of a run that went well."""
    objectives = changes.pop("objectives", None)
    load = changes.pop("load", {})
    facts = {
        "id": "20260301-120000-demo-a3f9",
        "recipe": recipe(phases, objectives, **load),
        "state": "ended",
        "ending": "completed",
        "reason": "the load ran to its end",
        "created": START - timedelta(seconds=8),
        "ended": START + timedelta(seconds=40),
        "nodes": [Node(index=0, name="n0", address="127.0.0.1", facts={"cores": 2, "memory_bytes": 8 * 2**30})],
        "phases": list(phases),
        "targets": list(TARGETS),
        "versions": {"dashcam": "0.1.0", "prometheus": "2.42.0"},
        "seeds": {"load": 7},
        "timings": {"start_to_targets_up": 6.1},
        "processes": [process("llm", "service"), process("load", "load")],
    }
    return Manifest.model_validate(facts | changes)


def process(name: str, role: str, **changes: Any) -> Process:
    """Make a program that was stopped at the end."""
    begun = START - timedelta(seconds=7)
    facts: dict[str, Any] = {
        "name": name, "role": role, "node": 0, "pid": 4711, "start_ticks": 1, "log": f"logs/{name}.log",
        "command": [f"/usr/bin/{name}", "--port", "8080"], "started": begun, "ready": begun + timedelta(seconds=1),
        "ended": START + timedelta(seconds=38), "exit_code": -15, "stopped_by_us": True,
    }  # fmt: skip
    return Process.model_validate(facts | changes)


def covered(**gaps: float) -> tuple[Coverage, ...]:
    """Make the coverage of all targets, each watched well but for those whose longest gap (seconds) is given."""
    return tuple(Coverage(t, 30, 30, gaps.get(t.job, 1.0)) for t in TARGETS)


def steady_rows(seed: int = 1, rate: float = 20.0) -> list[Row]:
    """Make the requests of WARMUP and STEADY of a service that keeps up."""
    rng = np.random.default_rng(seed)

    def service(_at: float) -> float:
        return 0.02 + float(rng.exponential(0.01))

    return [
        *open_loop(rng, "warmup", 0.0, 5.0, rate=5.0, service=service),
        *open_loop(rng, "steady", 5.0, 30.0, rate=rate, service=service),
    ]


def evidence(rows: Iterable[Row] | None = None, **changes: Any) -> Evidence:
    """Make the evidence of a clean run; its parts, and what `manifest` takes, may be changed."""
    coverage = changes.pop("coverage", covered())
    sources = changes.pop("sources", ())
    servers = changes.pop("servers", Servers())
    result = changes.pop("load_result", {})
    seen = {name: changes.pop(name) for name in ("machines", "alerts") if name in changes}
    run = manifest(**changes)
    found = requests.of(table(list(steady_rows() if rows is None else rows)))
    return Evidence(run, Recipe.model_validate(run.recipe), found, coverage, sources, servers, result, **seen)


@dataclass(frozen=True)
class Curve:
    """A series of the recording: a value for each second, None where nothing was scraped."""

    metric: str
    kind: str
    labels: dict[str, str]
    value: Callable[[int], float | None]


@dataclass(frozen=True)
class Recording:
    """What a whole run directory is made of. Seconds count from START."""

    rows: list[Row]
    curves: list[Curve]
    changes: dict[str, Any] = field(default_factory=dict)
    recipe_text: str = "name: demo\n"
    first: int = -5
    last: int = 40

    def write(self, root: Path) -> RunDirectory:
        """Write the run directory, with blocks made by promtool."""
        run = RunDirectory.create(root, "20260301-120000-demo-a3f9")
        manifest(**self.changes).save(run.manifest)
        run.recipe.write_text(self.recipe_text)
        if self.rows:
            pq.write_table(table(self.rows), run.records)
        result = {"phases": [{"name": "steady", "cpu_seconds": 2.1, "loop_lag_max": 0.004}]}
        (run.load / "result.json").write_text(json.dumps(result))
        if self.curves:
            text = root / "series.txt"
            text.write_text(openmetrics(self.curves, range(self.first, self.last)))
            command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(run.tsdb)]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        return run


def openmetrics(curves: Sequence[Curve], seconds: range) -> str:
    """Write curves as OpenMetrics text with time stamps."""
    lines: list[str] = []
    for metric in dict.fromkeys(curve.metric for curve in curves):
        mine = [curve for curve in curves if curve.metric == metric]
        lines.append(f"# TYPE {metric.removesuffix('_total')} {mine[0].kind}")
        for curve in mine:
            labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in curve.labels.items())
            for second in seconds:
                value = curve.value(second)
                if value is not None:
                    lines.append(f"{metric}{{{labels}}} {value!r} {START.timestamp() + second + 0.3:.3f}")
    return "\n".join([*lines, "# EOF", ""])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def labelled(target: Target, **more: str) -> dict[str, str]:
    """Make the labels of a target's series."""
    place = {"job": target.job, "role": target.role, "node": target.node, "instance": target.instance}
    return {"run_id": "20260301-120000-demo-a3f9", **place, **more}


def llm_curves(*, hole: range = range(0), service: str = "llm", rows: Sequence[Row] | None = None) -> list[Curve]:
    """Make the series of an LLM run on one node; in `hole` the service was not scraped.

    The service counts the tokens of `rows`, those of `llm_rows` by default.
    """
    answered = llm_rows() if rows is None else rows

    def predicted(t: int) -> float:
        return float(sum(one["tokens_out"] or 0 for one in answered if one["done"] <= t))

    def wave(base: float, swing: float, period: float) -> Callable[[int], float]:
        return lambda t: round(base + swing * math.sin(t / period), 4)

    def grow(speed: float) -> Callable[[int], float]:
        return lambda t: round((t + 6 + math.sin(t / 3)) * speed, 4)  # never falls

    llm, load, node, exporter = TARGETS
    curves = [
        Curve("up", "gauge", labelled(target), lambda t, mine=target.job: 0.0 if mine == "llm" and t in hole else 1.0)
        for target in TARGETS
    ]
    for target in TARGETS:
        curves.append(Curve("scrape_duration_seconds", "gauge", labelled(target), wave(0.01, 0.004, 4)))
        curves.append(Curve("scrape_samples_scraped", "gauge", labelled(target), wave(400, 3, 4)))

    def holed(value: Callable[[int], float]) -> Callable[[int], float | None]:
        return lambda t: None if t in hole else value(t)

    curves += [
        Curve("llamacpp:prompt_tokens_total", "counter", labelled(llm), holed(grow(640))),
        Curve("llamacpp:tokens_predicted_total", "counter", labelled(llm), holed(predicted)),
        Curve("llamacpp:requests_processing", "gauge", labelled(llm), holed(wave(2, 1.5, 3))),
        Curve("llamacpp:requests_deferred", "gauge", labelled(llm), holed(wave(0.5, 0.5, 5))),
        Curve("load_requests_in_flight", "gauge", labelled(load), wave(2, 1.5, 3)),
        Curve("load_tokens_total", "counter", labelled(load, direction="in"), grow(640)),
        Curve("load_tokens_total", "counter", labelled(load, direction="out"), grow(320)),
        Curve("load_process_cpu_seconds_total", "counter", labelled(load), grow(0.2)),
        Curve("load_event_loop_lag_seconds", "gauge", labelled(load), wave(0.002, 0.001, 2)),
        Curve("node_memory_MemTotal_bytes", "gauge", labelled(node), lambda _t: 8.0 * 2**30),
        Curve("node_memory_MemAvailable_bytes", "gauge", labelled(node), wave(5e9, 1e8, 6)),
        Curve("cgroup_memory_usage_bytes", "gauge", labelled(exporter), wave(9e8, 1e8, 7)),
    ]
    for cpu in ("0", "1"):
        for mode, speed in (("idle", 0.6), ("user", 0.4)):
            curves.append(Curve("node_cpu_seconds_total", "counter", labelled(node, cpu=cpu, mode=mode), grow(speed)))
    for name, cores, memory in ((service, 0.8, 3e8), ("load", 0.2, 9e7), ("prometheus", 0.02, 6e7)):
        for mode in ("user", "system"):
            labels = labelled(exporter, service=name, mode=mode)
            curves.append(Curve("process_tree_cpu_seconds_total", "counter", labels, grow(cores / 2)))
        tree = labelled(exporter, service=name)
        curves.append(Curve("process_tree_resident_memory_bytes", "gauge", tree, wave(memory, memory / 50, 5)))
        curves.append(Curve("process_tree_read_chars_total", "counter", tree, grow(1e6 * cores)))
    return curves


def llm_rows(seed: int = 3, rate: float = 20.0) -> list[Row]:
    """Make the requests of a streaming load: first token, gaps, tokens."""
    rng = np.random.default_rng(seed)
    rows = []
    for one in steady_rows(seed, rate):
        gaps = [float(gap) for gap in rng.gamma(4.0, 0.0005, 15)]
        first = one["sent"] + 0.01 + float(rng.exponential(0.005))
        done = first + sum(gaps) + 0.0001
        rows.append(one | {"first_token": first, "gaps": gaps, "tokens_in": 32, "tokens_out": 16, "done": done})
    return rows
