"""Recordings that several tests read, built once, and a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports import build
from runs.directory import RunDirectory
from tests.reports import recording as made
from tests.reports import sidecars
from tests.reports.browser import Browser

RECIPE = """name: demo
services:
  llm: {kind: llamacpp, model: tiny}
load:
  generator: openai
  phases:
    - {name: warmup, for: 5s, rate: 5}
    - {name: steady, for: 30s, rate: 20}
objectives: {ttft_p95: 500ms, latency_p99: 20ms, error_rate: 1%}
"""
NOTE = "llm: the model's weights are random; its speed says nothing about a trained model"


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A good run of an LLM on one node, with its report."""
    objectives: dict[str, Any] = {"ttft_p95": 0.5, "latency_p99": 0.02, "error_rate": 0.01}
    place = tmp_path_factory.mktemp("clean")
    recording = made.Recording(
        made.llm_rows(), made.llm_curves(), {"notes": [NOTE], "objectives": objectives}, recipe_text=RECIPE
    )
    run = recording.write(place / "recordings")
    build.build(run, place / "scratch")
    return run


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run whose service died in the middle, with its report and words of all lengths."""
    place = tmp_path_factory.mktemp("broken")
    ended = made.STEADY.started.replace(second=22)
    rows = [one for one in made.llm_rows() if one["intended"] < 22]
    for one in rows:
        if one["done"] > 21:
            one |= {"ok": False, "error": "connection_reset", "first_token": None, "gaps": None, "done": 22.1}
    long = "a-very-long-name-of-a-program-that-somebody-thought-was-a-good-idea-" * 3
    changes = {
        "ending": "failed",
        "reason": "llm died: signal SIGKILL\n    | loading model\n    | Killed",
        "ended": ended,
        "phases": [made.WARMUP, made.STEADY.model_copy(update={"ended": ended})],
        "processes": [
            made.process(
                "llm", "service", stopped_by_us=False, exit_code=-9, ended=ended, command=["/opt/" + long] * 4
            ),
            made.process(long, "sidecar"),
        ],
        "notes": [NOTE, "overridden: --set " + long],
    }
    recording = made.Recording(rows, made.llm_curves(hole=range(21, 41), service=long), changes, RECIPE)
    run = recording.write(place / "recordings")
    build.build(run, place / "scratch")
    return run


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run on four nodes whose sidecars met all that they can meet, with its report."""
    place = tmp_path_factory.mktemp("watched")
    run = sidecars.four_nodes().write(place / "recordings")
    build.build(run, place / "scratch")
    return run


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium without a network."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("chromium or chromedriver is not installed: apt-get install chromium chromium-driver")
    opened = Browser(Path(tmp_path_factory.mktemp("browser")))
    yield opened
    opened.close()
