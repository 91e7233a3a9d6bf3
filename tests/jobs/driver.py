"""Drives `dashcam` as its users do: a command line, a directory of recordings, and a look at what is left running."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from jobs import identity
from runs import seal
from runs.directory import RunDirectory

RECIPE = """\
name: short
watch: {{interval: 500ms, exporters: [node, cgroup, process]}}
services:
  llm: {{kind: llamacpp, model: tiny, parallel: 2, threads: 1}}
load:
  generator: openai
  prompt_tokens: 8
  max_tokens: 4
  seed: 3
  drain: 2s
  phases:
    - {{name: warmup, for: 1s, rate: 5, arrival: constant}}
    - {{name: steady, for: {seconds}s, rate: 10, arrival: constant}}
"""


@contextlib.contextmanager
def recordings(root: Path) -> "Iterator[Driver]":
    """Give a place of recordings; nothing of its runs may be left when a test is over."""
    made = Driver(root)
    yield made
    assert made.left() == []
    assert list(made.scratch()) == []


class Driver:
    """One place of recordings."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recipe = root / "short.yaml"
        root.mkdir(parents=True, exist_ok=True)
        self.write(5)

    def write(self, seconds: float) -> Path:
        """Write the short recipe with a steady phase of that length."""
        self.recipe.write_text(RECIPE.format(seconds=seconds))
        return self.recipe

    def sealed(self) -> RunDirectory:
        """Return the newest run, which must be sealed and intact."""
        run = RunDirectory(self.runs()[-1])
        assert seal.verify(run).intact
        assert not run.live.exists()
        return run

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a command in the background."""
        return subprocess.Popen(
            [sys.executable, "-m", "dashcam", *arguments, "--root", str(self.root)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment},
        )  # fmt: skip

    def call(self, *arguments: str, within: float = 120, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        child = self.start(*arguments, **environment)
        try:
            out, err = child.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            child.terminate()
            raise
        return subprocess.CompletedProcess(arguments, child.returncode, out, err)

    def json(self, *arguments: str) -> dict:
        """Run a command with --json and read its answer."""
        return json.loads(self.call(*arguments, "--json").stdout)

    def runs(self) -> list[Path]:
        """Return the run directories, oldest first."""
        return sorted(path.parent for path in self.root.glob("*/run.json"))

    def manifest(self) -> dict:
        """Read the newest manifest."""
        return json.loads((self.runs()[-1] / "run.json").read_text())

    def wait(self, what: str, ask: Callable[[], object], within: float = 60) -> object:
        """Poll until `ask` gives something true."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                if found := ask():
                    return found
            except (OSError, ValueError, IndexError, KeyError):
                pass
            time.sleep(0.05)
        raise AssertionError(f"waited {within} s for {what}")

    def wait_phase(self, phase: str, within: float = 60) -> None:
        """Wait until the newest run's load is in a phase and some requests are done."""

        def there() -> bool:
            state = json.loads((self.runs()[-1] / "load" / "progress.json").read_text())
            return state["phase"] == phase and state["done"] > 5

        self.wait(f"phase {phase}", there, within)

    def kill(self, name: str) -> None:
        """kill -9 the recorded process of that name."""
        os.kill(self.pid(name), signal.SIGKILL)

    def pid(self, name: str) -> int:
        """Return the recorded process of that name."""
        manifest = self.manifest()
        return next(p["pid"] for p in [*manifest["processes"], manifest["supervisor"]] if p["name"] == name)

    def left(self) -> list[tuple[int, str]]:
        """Return what still runs of any run in this place."""
        return [found for run in self.runs() for found in identity.tagged(run.name)]

    def scratch(self) -> Iterator[Path]:
        """Return scratch directories that are still there."""
        return (path for run in self.runs() for path in Path("/tmp").glob(f"dashcam-*-{run.name}*"))  # noqa: S108
