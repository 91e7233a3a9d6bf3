"""Whose CPU time it was, from real blocks by a real Prometheus."""

from pathlib import Path

import pytest

from prometheus import replay
from reports import nodes
from tests.reports import recording as made
from tests.reports.recording import START, Curve

pytestmark = pytest.mark.real

_, _, NODE, EXPORTER = made.TARGETS
PHASES = [(START.timestamp() + 5.0, START.timestamp() + 15.0), (START.timestamp() + 20.0, START.timestamp() + 35.0)]


def cpu(mode: str, speed: float, core: str = "0") -> Curve:
    """Make the time of a core in a mode, growing by `speed` a second."""
    return Curve(
        "node_cpu_seconds_total", "counter", made.labelled(NODE, cpu=core, mode=mode), lambda t: (t + 6) * speed
    )


def tree(service: str, speed: float) -> Curve:
    """Make the time of one of the run's programs."""
    labels = made.labelled(EXPORTER, service=service, mode="user")
    return Curve("process_tree_cpu_seconds_total", "counter", labels, lambda t: (t + 6) * speed)


def look(folder: Path, curves: list[Curve]) -> tuple[nodes.Machine, ...]:
    """Ask a recording of these curves."""
    run = made.Recording(made.llm_rows(), curves).write(folder)
    with replay.open_blocks(run.tsdb, folder / "scratch") as opened:
        return nodes.gather(opened.client, PHASES, {"prometheus"})


def test_cpu_time_is_told_apart(tmp_path: Path) -> None:
    """What the run used, what watching took of it, what others did, and what the hypervisor gave away."""
    curves = [cpu("user", 0.5), cpu("system", 0.2), cpu("idle", 0.2), cpu("steal", 0.1), cpu("idle", 0.9, "1"),
              cpu("softirq", 0.1, "1"), tree("llm", 0.4), tree("prometheus", 0.05)]  # fmt: skip
    (found,) = look(tmp_path, curves)
    assert (found.node, found.cores) == ("n0", 2)
    assert found.busy == pytest.approx(0.7, rel=0.02)
    assert found.ours == pytest.approx(0.45, rel=0.02)
    assert found.watching == pytest.approx(0.05, rel=0.02)
    assert found.stolen == pytest.approx(0.1, rel=0.02)


def test_half_of_the_sidecars_tell_nothing(tmp_path: Path) -> None:
    """Without both exporters nobody knows whose time it was."""
    assert look(tmp_path, [cpu("user", 0.5), cpu("idle", 0.5)]) == ()
    assert nodes.gather(None, PHASES, set()) == ()
