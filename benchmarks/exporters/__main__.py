"""`python -m benchmarks.exporters [NAME...] [--short]`."""

import subprocess
from collections.abc import Callable
from functools import partial

from benchmarks import command
from benchmarks.exporters import growth, memory, page, ratio, share
from benchmarks.exporters.stage import node_exporter_binary
from benchmarks.figures import Goal

BENCHMARKS: dict[str, Callable[..., list[Goal]]] = {
    "ratio": ratio.run,
    "memory": memory.run,
    "share": share.run,
    "growth": growth.run,
    "page": page.run,
}


def _sized(run: Callable[..., list[Goal]], short: bool) -> list[Goal]:
    return run(short=short)


def _programs() -> list[str]:
    version = subprocess.run([node_exporter_binary(), "--version"], capture_output=True, text=True, check=True)
    return [f"node_exporter {(version.stdout or version.stderr).split()[2]}"]


if __name__ == "__main__":
    sized = {name: partial(_sized, run) for name, run in BENCHMARKS.items()}
    command.main("exporters", sized, _programs, ("2 minutes", "10"))
