"""A recording made up to the last sample, with real TSDB blocks: what a report is tested on."""

import subprocess
from datetime import UTC, datetime, timedelta

import numpy as np

from loadtests.records import Recorder, finish
from prometheus import snapshot
from runs import runid
from runs.directory import RunDirectory
from runs.manifest import Manifest, Node, PhaseSpan, Process, Target
from runs.recipe import Recipe

START = datetime(2026, 11, 23, 14, 22, 7, tzinfo=UTC)


def recipe(phase, objectives=None):
    """Make a resolved recipe with one steady phase."""
    return Recipe.model_validate(
        {
            "name": "made-up",
            "services": {"llm": {"kind": "llamacpp"}},
            "load": {"generator": "openai", "phases": [{"name": "warmup", "for": 5, "rate": 5}, phase]},
            "objectives": objectives or {},
        }
    )


def clean_rows(rate=20.0, seconds=30, seed=1, latency=0.05, lag=0.0002):
    """Return the rows of a clean Poisson phase: (intended, sent, done, ok, error, tokens)."""
    generator = np.random.default_rng(seed)
    times = np.cumsum(generator.exponential(1 / rate, int(rate * seconds * 2)))
    times = times[times < seconds]
    spans = latency * generator.lognormal(0, 0.3, len(times))
    return [(t, t + lag, t + lag + span, True, None, 16) for t, span in zip(times, spans, strict=True)]


def closed_rows(users=4, seconds=30, latency=0.05, there=None):
    """Return the rows of a closed phase in which `there` users (by default all) are really at work."""
    rows = []
    for _user in range(there or users):
        time = 0.0
        while time < seconds:
            rows.append((time, time, time + latency, True, None, 4))
            time += latency
    return rows


class Recording:
    """Builds a run directory piece by piece."""

    def __init__(self, root, rows=None, phase=None, objectives=None):
        self.phase = phase or {"name": "steady", "for": 30, "rate": 20}
        self.rows = clean_rows() if rows is None else rows
        self.recipe = recipe(self.phase, objectives)
        self.run = RunDirectory.create(root, runid.new("made-up", START))
        seconds = self.phase["for"]
        steady = START + timedelta(seconds=5)
        spans = [
            PhaseSpan(name="warmup", measured=False, started=START, ended=steady, rate=5, arrival="poisson"),
            PhaseSpan(
                name="steady", measured=True, started=steady, ended=steady + timedelta(seconds=seconds),
                rate=self.phase.get("rate"), users=self.phase.get("users"), arrival="poisson",
            ),
        ]  # fmt: skip
        self.manifest = Manifest(
            id=self.run.id,
            recipe=self.recipe.model_dump(mode="json", by_alias=True),
            state="ended",
            ending="completed",
            created=START,
            phases=spans,
            nodes=[Node(index=0, name="n1", address="127.0.0.1", facts={"cpu": "made up", "cores": 2})],
            targets=[
                Target(job="llm", role="service", node="n1", instance="n1:1"),
                Target(job="load", role="load", node="n1", instance="n1:2"),
                Target(job="node", role="sidecar", node="n1", instance="n1:3"),
            ],
            processes=[
                Process(
                    name="llm", role="service", node=0, pid=1, start_ticks=1, log="logs/llm.log", command=["server"],
                    started=START, ready=START, ended=START, exit_code=0, stopped_by_us=True,
                )
            ],
            versions={"dashcam": "0.1.0"},
        )  # fmt: skip
        self.gaps = {}
        self.result = None

    def write(self):
        """Put everything on disk."""
        self.run.recipe.write_text("name: made-up\n")
        self.manifest.save(self.run.manifest)
        self._records()
        self._blocks()
        if self.result is not None:
            (self.run.load / "result.json").write_text(self.result)
        return self.run

    def _records(self):
        recorder = Recorder(self.run.load)
        base = START.timestamp() + 5

        def ns(seconds):
            return None if seconds is None else int((base + seconds) * 1e9)

        for number, (intended, sent, done, ok, error, tokens) in enumerate(self.rows):
            first = None if sent is None else sent + (done - sent) / 2
            recorder.add(
                (number, "steady", None, ns(intended), ns(sent), ns(first), ns(first), ns(done), ok, error, 200, 10, 5,
                 tokens, [0.01, 0.02], None, 0)
            )  # fmt: skip
        recorder.close()
        finish(self.run.load)

    def _blocks(self):
        lines = ["# TYPE up gauge", *self._series("up", lambda _job, _t: 1.0)]
        lines += ["# TYPE load_requests_in_flight gauge", *self._series("load_requests_in_flight", lambda _j, t: t % 5)]
        lines += [
            "# TYPE node_memory_MemTotal_bytes gauge",
            *self._series("node_memory_MemTotal_bytes", lambda _j, _t: 8e9),
        ]
        name = "node_memory_MemAvailable_bytes"
        lines += [f"# TYPE {name} gauge", *self._series(name, lambda _j, t: 4e9 - 1e7 * t)]
        text = self.run.path / "made.om"
        text.write_text("\n".join([*lines, "# EOF", ""]))
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(self.run.tsdb)]
        subprocess.run(command, check=True, capture_output=True)
        text.unlink()
        assert snapshot.blocks(self.run.tsdb)

    def _series(self, name, value):
        wanted = {"load_requests_in_flight": ["load"], "up": ["llm", "load", "node"]}.get(name, ["node"])
        for target in self.manifest.targets:
            if target.job not in wanted:
                continue
            labels = f'job="{target.job}",role="{target.role}",node="n1",instance="{target.instance}",run_id="r"'
            for second in range(5 + self.phase["for"] + 3):
                low, high = self.gaps.get(target.job, (1e9, 1e9))
                if not low <= second < high:
                    yield f"{name}{{{labels}}} {value(target.job, second)} {START.timestamp() + second:.3f}"
