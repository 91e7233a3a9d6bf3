"""Collectors beside one another."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from exporters.collector import Late, Malformed
from exporters.files import read
from exporters.runner import Runner, Watched
from tests.exporters.exposition import Samples, check_metrics


class Made:
    """A collector made of a function."""

    def __init__(self, name: str, collect: Callable[[], Iterable[Metric]]) -> None:
        self.name = name
        self.collect = collect


def gauge(name: str, value: float = 1.0) -> list[Metric]:
    """Return one family."""
    return [GaugeMetricFamily(name, "A made-up figure.", value=value)]


def runner(*collectors: Made, timeout: float = 5.0) -> Runner:
    """Return a runner of these."""
    return Runner([Watched(one, Malformed()) for one in collectors], timeout, "1.2.3")


def threads(name: str) -> int:
    """Return how many threads work for the collector `name`."""
    return sum(one.name == f"collect-{name}" for one in threading.enumerate())


def test_an_exposition() -> None:
    """Series of all collectors, their health and the sidecar's own; promtool has nothing to say."""
    scrape = runner(
        Made("a", lambda: gauge("a_degrees", 5)), Made("b", lambda: [CounterMetricFamily("b_bytes", "Bytes.", value=2)])
    ).scrape()
    samples = Samples.parse(scrape.text)
    assert scrape.failed == {}
    assert (samples("a_degrees"), samples("b_bytes_total")) == (5, 2)
    assert samples("exporter_build_info", version="1.2.3") == 1
    assert (samples("exporter_process_resident_memory_bytes") or 0) > 1e6
    assert samples("exporter_process_cpu_seconds_total") is not None
    for name in ("a", "b"):
        assert samples("exporter_collector_success", collector=name) == 1
        assert samples("exporter_collector_errors_total", collector=name) == 0
        assert samples("exporter_collector_timeouts_total", collector=name) == 0
        assert samples("exporter_parse_errors_total", collector=name) == 0
        assert samples("exporter_collector_last_success_timestamp_seconds", collector=name) == pytest.approx(
            time.time(), abs=60
        )
    check_metrics(scrape.text)


def test_a_collector_that_raises(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are complete; each kind of error is said once on stderr and counted each time."""
    texts = iter(["no such file", "no such file", "other"])

    def fail() -> list[Metric]:
        raise OSError(next(texts))

    both = runner(Made("bad", fail), Made("good", lambda: gauge("good_degrees")))
    scrapes = [both.scrape() for _ in range(3)]
    assert [scrape.failed for scrape in scrapes][:2] == [{"bad": "OSError: no such file"}] * 2
    samples = Samples.parse(scrapes[-1].text)
    assert samples("good_degrees") == 1
    assert samples("exporter_collector_success", collector="bad") == 0
    assert samples("exporter_collector_errors_total", collector="bad") == 3
    assert samples("exporter_collector_last_success_timestamp_seconds", collector="bad") is None
    assert capsys.readouterr().err.splitlines() == [
        "exporter: collector bad: OSError: no such file",
        "exporter: collector bad: OSError: other",
    ]


def test_a_collector_that_would_end_the_program() -> None:
    """SystemExit of a library is an error like others, and the thread lives on."""
    answers = iter([True, False])

    def leave() -> list[Metric]:
        if next(answers):
            raise SystemExit(3)
        return gauge("leave_degrees")

    one = runner(Made("leave", leave))
    assert one.scrape().failed == {"leave": "SystemExit: 3"}
    assert one.scrape().failed == {}


def test_a_sample_that_cannot_be_written() -> None:
    """It costs its own collector's series only."""
    bad = GaugeMetricFamily("bad_degrees", "A made-up figure.", labels=["x"])
    bad.add_metric(["\udcff"], 1.0)  # cannot be encoded
    scrape = runner(Made("bad", lambda: [bad]), Made("good", lambda: gauge("good_degrees"))).scrape()
    assert list(scrape.failed) == ["bad"]
    assert Samples.parse(scrape.text)("good_degrees") == 1


def test_two_collectors_with_the_same_family() -> None:
    """Twice the same name would make the whole exposition invalid: the second is left out, and that is said."""
    scrape = runner(Made("a", lambda: gauge("same_degrees", 1)), Made("b", lambda: gauge("same_degrees", 2))).scrape()
    assert Samples.parse(scrape.text)("same_degrees") == 1
    assert scrape.failed == {"b": "another collector already offers same_degrees"}


def test_a_collector_that_hangs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A read that never returns (a FIFO nobody writes to, as a dead file system would).

    The others are complete within the deadline, timeouts are counted, later scrapes do not wait for it, no second
    thread is started, what it says too late is not served, and it works again afterwards.
    """
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    places = [fifo]
    both = runner(
        Made("hang", lambda: gauge("hang_degrees", float(read(str(places[-1]))))),
        Made("good", lambda: gauge("good_degrees")),
        timeout=0.3,
    )
    begun = time.monotonic()
    samples = Samples.parse(both.scrape().text)
    assert 0.3 <= time.monotonic() - begun < 2.0
    assert samples("good_degrees") == 1
    assert samples("hang_degrees") is None
    assert samples("exporter_collector_success", collector="hang") == 0
    begun = time.monotonic()
    for _ in range(5):
        samples = Samples.parse(both.scrape().text)
    assert time.monotonic() - begun < 1.0, "it is known to hang"
    assert samples("exporter_collector_timeouts_total", collector="hang") == 6
    assert (samples("exporter_collector_duration_seconds", collector="hang") or 0) >= 0.3
    assert threads("hang") == 1
    assert capsys.readouterr().err.count("collector hang") == 1
    (tmp_path / "file").write_text("42")
    places.append(tmp_path / "file")
    fifo.write_text("41")  # whoever reads at last has his answer
    end = time.monotonic() + 10
    while (value := Samples.parse(both.scrape().text)("hang_degrees")) is None:
        assert time.monotonic() < end
    assert value == 42, "41 came too late and was not served"
    assert threads("hang") == 1


def test_scrapes_that_overlap_share_a_run() -> None:
    """Two clients at once cost one run, and neither waits longer than its deadline."""
    runs = 0
    go = threading.Event()

    def slow() -> list[Metric]:
        nonlocal runs
        runs += 1
        go.wait(5)
        return gauge("slow_degrees")

    one = runner(Made("slow", slow))
    texts: list[bytes] = []
    clients = [threading.Thread(target=lambda: texts.append(one.scrape().text)) for _ in range(3)]
    for client in clients:
        client.start()
    end = time.monotonic() + 5
    while runs == 0:
        assert time.monotonic() < end
    go.set()
    for client in clients:
        client.join(5)
    assert [Samples.parse(text)("slow_degrees") for text in texts] == [1, 1, 1]
    assert runs <= 3


def test_parse_errors_and_late_parts_are_shown() -> None:
    """What a collector could not read is in its health, and what did not answer in time."""
    malformed, late = Malformed(), Late()
    malformed.add(3)
    late.add()
    samples = Samples.parse(Runner([Watched(Made("a", list), malformed, late)], 1.0, "1").scrape().text)
    assert samples("exporter_parse_errors_total", collector="a") == 3
    assert samples("exporter_collector_timeouts_total", collector="a") == 1
