"""MLPerf scenarios by our own engine, on a server of known delays."""

import numpy as np
import pytest

from tests.loadtests.test_engine import openai
from tests.loadtests.tools import a_load, drive, seconds

pytestmark = pytest.mark.timing


def a_scenario(**asked):
    """Make a load of a short scenario."""
    return a_load(scenario={"short": True, "duration": 1, **asked})


def test_single_stream(server, tmp_path):
    """One query after another: with 50 ms each, twenty in a second."""
    load = a_scenario(kind="single-stream")
    table, engine = drive(load, openai(f"{server}steady,ttft=0.05,n=1", load), tmp_path)
    assert table.num_rows == pytest.approx(20, abs=3)
    assert set(table["user"].to_pylist()) == {0}
    assert (engine.spans()[0].users, engine.spans()[0].batch) == (1, 1)


def test_multi_stream(server, tmp_path):
    """Eight samples leave together, and the next eight when the last of them has ended."""
    load = a_scenario(kind="multi-stream")
    table, engine = drive(load, openai(f"{server}steady,ttft=0.05,n=1", load), tmp_path)
    frame = table.to_pandas()
    queries = frame.groupby("intended")
    assert set(queries.size()) == {8}
    ends, starts = queries.done.max().to_numpy(), np.array(sorted(queries.groups))
    assert (starts[1:] >= ends[:-1]).all()
    assert len(starts) == pytest.approx(19, abs=3)
    assert sorted(frame.request) == list(range(len(frame)))
    assert engine.spans()[0].batch == 8


def test_server(server, tmp_path):
    """Poisson arrivals by the seed of the rules: the same at each run."""
    load = a_scenario(kind="server", rate=50)
    table, _ = drive(load, openai(f"{server}plain", load), tmp_path)
    gaps = np.diff(np.sort(table["intended"].cast("int64").to_numpy())) / 1e9
    units = np.random.default_rng([16159082839903944936, 0]).exponential(1.0, size=4096)
    assert gaps == pytest.approx(units[1 : len(gaps) + 1] / 50, abs=2e-9)


def test_offline(server, tmp_path):
    """All samples, as many at once as are allowed; the phase ends with them."""
    load = a_scenario(kind="offline", rate=100, concurrency=10)
    table, engine = drive(load, openai(f"{server}steady,ttft=0.05,n=1", load), tmp_path)
    assert table.num_rows == 110
    assert engine.spans()[0].stopped == "requests"
    assert np.median(seconds(table, "done", "intended")) == pytest.approx(0.05, abs=0.02)
