"""A load process against the server of known delays."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from loadtests import records
from loadtests.plan import LoadPlan, Target
from runs.recipe import Load


class Bench:
    """Runs loads against one server and reads their records."""

    def __init__(self, port, place):
        self.url = f"http://127.0.0.1:{port}"
        self.place = place

    def plan(self, phases, model="good", **load):
        """Write a plan; returns its path."""
        self.place.mkdir(exist_ok=True)
        token = self.place / "token"
        token.touch(mode=0o600)
        token.write_text("s3cret")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            listen = f"127.0.0.1:{probe.getsockname()[1]}"
        values = {"generator": "openai", "seed": 5, "drain": 1, "phases": phases, "options": {"max_tokens": 5}, **load}
        plan = LoadPlan(
            run_id="r", load=Load.model_validate(values), target=Target(protocol="openai", url=self.url, model=model),
            output=self.place, listen=listen, token_file=token, linger=False,
        )  # fmt: skip
        path = self.place / "plan.json"
        path.write_text(plan.model_dump_json())
        return path, listen

    def start(self, *arguments, **options):
        """Start a load in the background."""
        path, self.listen = self.plan(*arguments, **options)
        return subprocess.Popen([sys.executable, "-m", "loadtests", str(path)], stderr=subprocess.PIPE, text=True)

    def run(self, *arguments, **options):
        """Run a load to its end; returns its records."""
        child = self.start(*arguments, **options)
        _, self.err = child.communicate(timeout=60)
        self.code = child.returncode
        records.finish(self.place)
        return pd.read_parquet(self.place / "requests.parquet")

    def result(self):
        """Return the load's account of itself."""
        return json.loads((self.place / "result.json").read_text())

    def wait_done(self, count, within=30):
        """Wait until so many requests are done."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                if json.loads((self.place / "progress.json").read_text())["done"] >= count:
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        raise AssertionError(f"{count} requests were not done within {within} s")


@pytest.fixture(scope="module")
def server():
    """The server of known delays, for a module."""
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "server.py")], stdout=subprocess.PIPE, text=True
    )
    yield int(child.stdout.readline())
    os.kill(child.pid, signal.SIGTERM)
    child.wait(10)


@pytest.fixture
def bench(server, tmp_path):
    """Loads against the server."""
    return Bench(server, tmp_path / "load")
