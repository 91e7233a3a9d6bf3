"""What these tests share: a load in this process or in its own, and its records."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import uvloop

from loadtests import progress, records
from loadtests.engine import Engine
from loadtests.generators.base import Generator
from loadtests.metrics import Metrics
from loadtests.progress import Progress
from loadtests.records import Recorder
from prometheus.loopback import free_port
from runs.recipe import Load

TOKEN = "not-a-secret"
ROOT = Path(__file__).parents[2]


class Python:
    """A Python module as a process, ended by its own pid at the latest when the test ends."""

    def __init__(self, *argv: str, **more: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *argv], cwd=ROOT, text=True, stderr=subprocess.PIPE, **more
        )

    def __enter__(self) -> subprocess.Popen[str]:
        """Give the process."""
        return self.process

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def service() -> Iterator[str]:
    """Run the server of known delays; gives the URL without the word that says how it behaves."""
    with Python("tests.loadtests.service", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"


def a_load(*phases: dict[str, Any], **more: Any) -> Load:
    """Make a load; phases as in a recipe."""
    return Load.model_validate({"generator": "openai", "drain": 5, "phases": phases, **more})


def drive(
    load: Load, generator: Generator, directory: Path, meanwhile: Callable[[Engine], Any] | None = None
) -> tuple[pa.Table, Engine]:
    """Run a load in this process, on the loop that it has in earnest; returns its records and its engine."""

    async def work() -> Engine:
        recorder = Recorder(directory)
        engine = Engine(load, generator, recorder, Metrics(phase.name for phase in load.stages), hurry=0.2)
        await generator.setup()
        helper = asyncio.create_task(meanwhile(engine)) if meanwhile else None
        await engine.run()
        if helper:
            helper.cancel()
        await generator.close()
        recorder.close()
        return engine

    engine = uvloop.run(work())
    records.finish(directory)
    return pq.read_table(directory / records.PARQUET), engine


def seconds(table: pa.Table, later: str, earlier: str) -> np.ndarray:
    """Return the differences of two columns of times in seconds, without the rows that lack one."""
    whole = table.filter(pc.and_(pc.is_valid(table[later]), pc.is_valid(table[earlier])))
    return (whole[later].cast(pa.int64()).to_numpy() - whole[earlier].cast(pa.int64()).to_numpy()) / 1e9


def a_plan(directory: Path, url: str, *phases: dict[str, Any], **more: Any) -> Path:
    """Write a plan file; keys of `more` replace those of the plan, `load` those of the load."""
    output = directory / "load"
    output.mkdir(exist_ok=True)
    (directory / "token").write_text(TOKEN)
    load = {"generator": "openai", "drain": 5, "phases": phases, **more.pop("load", {})}
    plan = {
        "run_id": "20260101-000000-test-abcd",
        "load": load,
        "target": {"protocol": "openai", "url": url},
        "output": str(output),
        "listen": f"127.0.0.1:{free_port()}",
        "token_file": str(directory / "token"),
        "linger": False,
        **more,
    }
    path = directory / "load.json"
    path.write_text(json.dumps(plan))
    return path


def wait_for(directory: Path, ready: Callable[[Progress], bool], process: subprocess.Popen[str]) -> Progress:
    """Poll the progress of a load until it is as asked for, or its process has ended."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        state = progress.read(directory)
        if state is not None and ready(state):
            return state
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("waited for 30 s")
