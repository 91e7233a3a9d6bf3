"""Whole runs with the service kind `faiss`: our server, and Faiss inside the load."""

import json

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.jobs.driver import Driver

pytestmark = [pytest.mark.real]

RECIPE = """\
name: faiss
watch: {{interval: 500ms, exporters: [process]}}
services:
  vectors: {{kind: faiss, in_process: {in_process}}}
load:
  generator: vector
  dataset: {{kind: random, n: 2000, dim: 24, seed: 1}}
  queries: 100
  m: 6
  sweep: {{ef_search: [10, 100]}}
  phases: [{{name: steady, for: 4s, rate: 50}}]
"""


@pytest.mark.parametrize("in_process", [False, True])
def test_a_run(tmp_path, in_process):
    """Every answer is good, each value of the sweep has its recall, and the server is watched where there is one."""
    driver = Driver(tmp_path / "recordings")
    recipe = tmp_path / "faiss.yaml"
    recipe.write_text(RECIPE.format(in_process=str(in_process).lower()))
    done = driver.call("run", str(recipe), XDG_CACHE_HOME=str(tmp_path))
    (run,) = driver.runs()
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["ending"] == "completed", done.stdout + done.stderr
    # Whether the client was on time is for a machine with nothing else to do.
    invalid = {found["rule"] for found in manifest["verdict"]["findings"] if found["level"] == "invalid"}
    assert invalid <= {"client_lag"}, done.stdout
    table = pq.read_table(run / "load/requests.parquet")
    assert table.num_rows > 100
    assert pc.all(table["ok"]).as_py()
    few, many = (table.filter(pc.equal(table["operation"], f"ef_search={ef}"))["recall"] for ef in (10, 100))
    assert np.mean(few.to_pylist()) < np.mean(many.to_pylist())
    watched = {target["job"] for target in manifest["targets"]}
    assert ("vectors" in watched) != in_process
    assert any("client and service in one" in note for note in manifest["notes"]) == in_process
    assert driver.left() == []
