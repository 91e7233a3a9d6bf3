"""What a recording's series say of services and nodes: with real blocks, by a real Prometheus."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prometheus import replay
from reports import servers
from reports.servers import Count, Servers, Still
from tests.reports import recording as made
from tests.reports.recording import START, Curve

pytestmark = pytest.mark.real

LLM, _, NODE, _ = made.TARGETS
PHASE = (START.timestamp() + 5.0, START.timestamp() + 35.0)
SPAN = (START.timestamp() - 6.0, START.timestamp() + 41.0)


def labels(target: made.Target, **more: str) -> dict[str, str]:
    """Return the labels of a target's series."""
    return {"job": target.job, "role": target.role, "node": target.node, "instance": target.instance, **more}


def look(folder: Path, curves: list[Curve]) -> Servers:
    """Ask a recording of these curves, beside which every target is up."""
    up = [Curve("up", "gauge", labels(target), lambda _t: 1.0) for target in made.TARGETS]
    run = made.Recording(made.llm_rows(), [*up, *curves]).write(folder)
    with replay.open_blocks(run.tsdb, folder / "scratch") as opened:
        return servers.gather(opened.client, made.TARGETS, SPAN, begin=START.timestamp(), phases=[PHASE], interval=1.0)


def counter(name: str, value: Callable[[int], float | None], **more: str) -> Curve:
    """Make a counter of the service."""
    return Curve(name, "counter", labels(LLM, **more), value)


def grow(speed: float) -> Callable[[int], float]:
    """Grow with time, from START - 5 s on."""
    return lambda t: (t + 5) * speed


def test_counts_add_up_over_labels(tmp_path: Path) -> None:
    """What came before the load does not count, nor what other targets count; labels are added up."""
    found = look(
        tmp_path,
        [
            counter("vllm:request_success_total", grow(2.0), finished_reason="stop"),
            counter("vllm:request_success_total", grow(1.0), finished_reason="length"),
        ],
    )
    # From the scrape before the load's begin (-0.7 s) to the last (39.3 s): 40 s, 3 a second.
    assert found.counts == (Count("vllm:request_success_total", "requests", "llm", 120),)
    assert (found.restarted, found.still) == ((), ())


def test_counts_of_operations(tmp_path: Path) -> None:
    """An S3 store tells what it did; of that the reads are counted, over their codes."""
    name = "SeaweedFS_s3_request_total"
    found = look(
        tmp_path,
        [
            counter(name, grow(2.0), type="GET", code="200"),
            counter(name, grow(1.0), type="GET", code="404"),
            counter(name, grow(5.0), type="PUT", code="200"),
        ],
    )
    assert found.counts == (Count(name, "requests", "llm", 120, "GET"),)


def test_restart_is_seen(tmp_path: Path) -> None:
    """Two counters that fall at once, or another start time, are a restart; one that falls alone is not."""
    fall = lambda t: float(t + 5 if t < 20 else t - 19)  # noqa: E731 - a curve
    alone = [counter("one_total", fall), counter("other_total", grow(1.0))]
    assert look(tmp_path / "a", alone).restarted == ()
    both = [counter("one_total", fall), counter("other_total", fall)]
    assert look(tmp_path / "b", both).restarted == (("llm", "n0:1"),)
    start = Curve("process_start_time_seconds", "gauge", labels(LLM), lambda t: 1.0 if t < 20 else 20.0)
    assert look(tmp_path / "c", [start, counter("one_total", grow(1.0))]).restarted == (("llm", "n0:1"),)


def test_restart_outside_the_window_is_none(tmp_path: Path) -> None:
    """What began anew before the measured phases was ready when they began."""
    fall = lambda t: float(t + 5 if t < 2 else t)  # noqa: E731 - a curve
    assert look(tmp_path, [counter("one_total", fall), counter("other_total", fall)]).restarted == ()


def test_stillness_is_seen(tmp_path: Path) -> None:
    """A service whose figures never change is still; one that moves is not, nor is a sidecar."""
    still = [counter("one_total", lambda _t: 7.0), Curve("node_load1", "gauge", labels(NODE), lambda _t: 1.0)]
    assert look(tmp_path / "a", still).still == (Still("llm", "n0:1", *PHASE),)
    assert look(tmp_path / "b", [*still, counter("other_total", grow(1.0))]).still == ()


def test_stillness_of_a_stretch_is_seen(tmp_path: Path) -> None:
    """A page that stands still for a part of a phase only, and a node's whose time does; too short ones are none."""
    begin = START.timestamp()
    stops = counter("one_total", lambda t: float(t + 5 if t < 15 else 20))
    time = Curve("node_time_seconds", "gauge", labels(NODE), lambda t: begin + min(t, 8))
    found = look(tmp_path / "a", [stops, time]).still
    assert [(one.job, one.end - begin) for one in found] == [("llm", 35.0), ("node", 35.0)]
    assert found[0].start - begin == pytest.approx(15.0, abs=5.5)
    assert found[1].start - begin == pytest.approx(8.0, abs=5.5)
    for one in found:  # a node that stands still tells no time that would be off
        assert one.start > begin
    pauses = counter("one_total", lambda t: float(t + 5 if t < 15 else max(20, t - 2)))
    assert look(tmp_path / "b", [pauses]).still == ()


def test_a_counter_that_stays_0_is_a_count(tmp_path: Path) -> None:
    """A page that tells of a counter which never moves says that there was nothing; one without it says nothing."""
    found = look(tmp_path, [counter("vllm:request_success_total", lambda _t: 0.0), counter("other_total", grow(1.0))])
    assert found.counts == (Count("vllm:request_success_total", "requests", "llm", 0),)


def test_clocks_are_held_against_prometheus(tmp_path: Path) -> None:
    """A node's clock that is ahead, and one that jumps."""
    base = START.timestamp() + 0.3
    ahead = Curve("node_time_seconds", "gauge", labels(NODE), lambda t: base + t + 2.0)
    (clock,) = look(tmp_path / "a", [ahead]).clocks
    assert clock.node == "n0"
    assert clock.ahead == pytest.approx(2.0, abs=0.01)
    assert clock.step == pytest.approx(0.0, abs=0.01)
    jump = Curve("node_time_seconds", "gauge", labels(NODE), lambda t: base + t + (1.0 if t > 20 else 0.0))
    (clock,) = look(tmp_path / "b", [jump]).clocks
    assert clock.step == pytest.approx(1.0, abs=0.01)


def test_nothing_recorded_says_nothing() -> None:
    """Without series there is no count and no complaint."""
    assert servers.gather(None, made.TARGETS, SPAN, begin=START.timestamp(), phases=[PHASE], interval=1.0) == Servers()
