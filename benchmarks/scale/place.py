"""A run directory as a run of many nodes has it, and its targets: what the figures are taken of."""

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grafana import archive
from jobs import submit
from jobs.catalog import catalog
from jobs.journal import Journal
from prometheus import web
from prometheus.config import Basic, Scrape
from prometheus.loopback import LOOPBACK, stop
from runs import document, variants
from runs.directory import RunDirectory
from runs.manifest import Node, PhaseSpan, Target

_RECIPE = """\
name: scale
watch: {{interval: {interval}s, exporters: [node]}}
services: {{app: {{kind: command, command: "true", metrics: /metrics}}}}
load: {{generator: openai, phases: [{{name: steady, for: {seconds}s, rate: 1}}]}}
"""

_CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Size:
    """What is scraped: targets of so many series each `interval` seconds, measured for `seconds`."""

    targets: int
    series: int
    interval: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.targets} x {self.series} at {self.interval:g} s"

    @property
    def rate(self) -> float:
        """Samples a second, when none is lost."""
        return self.targets * self.series / self.interval


def make(root: Path, size: Size) -> Journal:
    """Make the run directory."""
    text = _RECIPE.format(interval=f"{size.interval:g}", seconds=f"{size.seconds:g}")
    source = document.parse(text, "scale.yaml")
    (variant,) = variants.check(source, catalog())
    run = submit.create(variant.recipe, variant.document, root, "local")
    archive.write(run.dashboards, run.id, variant.recipe)
    run.series_copy.mkdir(mode=0o700)
    return Journal.open(run)


@contextlib.contextmanager
def exporters(size: Size, files: web.WebFiles) -> Iterator[tuple[int, list[Scrape]]]:
    """Start the targets; yields their process's pid, and the scrapes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * size.targets + 100  # here one port and one connection each, in Prometheus one connection
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))  # < 0: none
    argv = [sys.executable, "-P", "-m", "benchmarks.scale.targets", str(size.targets), str(size.series)]
    env = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(files.credentials.password.encode() + b"\n")
        child.stdin.flush()
        ports = json.loads(child.stdout.readline())
        auth = Basic(files.credentials.user, files.password_file)
        yield (
            child.pid,
            [
                Scrape("node", "sidecar", f"n{number:04}", f"{LOOPBACK}:{port}", auth)
                for number, port in enumerate(ports)
            ],
        )
    finally:
        stop(child, 10.0)


def describe(journal: Journal, scrapes: list[Scrape], phase: PhaseSpan) -> RunDirectory:
    """Write into the manifest what a run's holds: its nodes, targets and the measured phase."""
    journal.set(
        nodes=[Node(index=index, name=scrape.node, address=LOOPBACK) for index, scrape in enumerate(scrapes)],
        targets=[Target(job=each.job, role=each.role, node=each.node, instance=each.instance) for each in scrapes],
        phases=[phase],
        ended=phase.ended,
        ending="completed",
        state="ended",
    )
    return journal.run
