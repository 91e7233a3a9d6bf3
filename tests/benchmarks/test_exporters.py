"""What the benchmarks of the sidecars are made of: it must be what it claims to be, or the figures are of nothing."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.exporters import tree
from benchmarks.exporters.gpu_page import gpu_pages
from benchmarks.exporters.large_page import KEPT, large_page
from benchmarks.exporters.lustre_tree import MDTS, OSTS, LustreTree
from benchmarks.exporters.machine import link_machine
from benchmarks.exporters.otlp_body import otlp_body
from benchmarks.exporters.target import check, samples
from benchmarks.figures import Goal, Spread
from benchmarks.meter import cpu_seconds, memory
from exporters.collector import Context
from exporters.exposition import Parser, keep
from exporters.gpu_dcgm import parser, read
from exporters.lustre import COLLECTOR as LUSTRE
from exporters.otlp_store import Store
from exporters.process import COLLECTOR as PROCESS
from tests.exporters.exposition import Samples


def test_cpu_of_ended_threads_counts() -> None:
    """The sidecar has a thread a scrape: a clock that forgot them would flatter it."""

    def work() -> None:
        while time.thread_time() < 0.1:
            pass

    before = cpu_seconds(os.getpid())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert cpu_seconds(os.getpid()) - before >= 0.1
    assert cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.05)


def test_memory_in_its_parts() -> None:
    """What is private is in the proportional share, and that in what is resident."""
    found = memory(os.getpid())
    assert found.proportional is not None
    assert found.private is not None
    assert 10**6 < found.private <= found.proportional <= found.resident


def test_goals_say_by_how_much() -> None:
    """The median decides, and rounds on both sides of the goal are told."""
    assert str(Goal("x", 1.0, "times", Spread.of([3, 2, 2.5]))) == (
        "x: 2.50 times (2.00 to 3.00), goal <= 1: MISSED, 150% above"
    )
    assert str(Goal("x", 4.0, "ms", Spread.of([5, 1, 2]))).endswith("met, 50% below; rounds on both sides of it")


def test_gpu_pages_are_read_whole() -> None:
    """Each GPU is there with energy that grows, and no line is malformed."""
    first, second = (read(parser().parse(page)) for page in gpu_pages(16)[:2])
    assert (len(first.devices), first.malformed, first.implausible) == (16, 0, {})
    for device, reading in first.devices.items():
        assert second.devices[device].values["energy_joules"] > reading.values["energy_joules"]


def test_large_page_is_right() -> None:
    """Of the asked size, without a line that a parser refuses, and with values that change."""
    page = large_page(300_000, 0)
    assert 300_000 <= len(page) < 350_000
    whole = Parser().parse(page)
    assert whole.malformed == 0
    assert sum(len(family.samples) for family in text_string_to_metric_families(page.decode())) == len(whole.samples)
    kept = Parser(keep(KEPT)).parse(page)
    assert 0 < len(kept.samples) < len(whole.samples) / 4
    assert len(large_page(300_000, 7)) - len(page) < 10_000
    assert large_page(300_000, 7) != page


def test_lustre_tree_is_a_client(tmp_path: Path) -> None:
    """All mounts and targets are read, nothing is malformed, and counters grow."""
    files = LustreTree(tmp_path, 2)
    files.write()
    context = Context(proc_root=tmp_path / "proc", sys_root=tmp_path / "sys")
    collector = LUSTRE.create(context)
    before = Samples(collector.collect())
    files.advance()
    after = Samples(collector.collect())
    assert after("lustre_client_up", reason="") == 1
    assert len(after.labels("lustre_osc_request_wait_seconds_total")) == 2 * OSTS
    assert len(after.labels("lustre_mdc_request_wait_seconds_total")) == 2 * MDTS
    for series in (
        ("lustre_client_read_bytes_total", {"fs": "fs1"}),
        ("lustre_osc_rpcs_total", {"fs": "fs0", "target": "OST0000", "direction": "read", "pages": "1"}),
    ):
        assert (after(series[0], **series[1]) or 0) > (before(series[0], **series[1]) or 0) > 0
    assert context.malformed.count == 0


def test_tree_is_seen_through_links_and_ends_with_its_input(tmp_path: Path) -> None:
    """All processes and threads carry the tag, and none outlives whoever started them."""
    tags = {"DASHCAM_RUN_ID": "bench-test", "DASHCAM_PROCESS": "small"}
    with subprocess.Popen(
        [sys.executable, "-P", tree.__file__, "3", "2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **tags},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        link_machine(tmp_path)
        context = Context(tmp_path / "proc", tmp_path / "sys", "bench-test")
        collector = PROCESS.create(context)
        end = time.monotonic() + 10
        while True:  # the children's threads may still be on their way
            found = Samples(collector.collect())
            if found("process_tree_threads", service="small") == 6 or time.monotonic() > end:
                break
        assert found("process_tree_threads", service="small") == 6
        assert found("process_tree_processes", service="small") == 3
        process.stdin.close()
        assert process.wait(10) == 0
    while found("process_tree_processes", service="small") and time.monotonic() < end:
        found = Samples(collector.collect())
    assert found("process_tree_processes", service="small") == 0


def test_otlp_bodies_are_taken() -> None:
    """Fifty series, none of them dropped."""
    store = Store(2000, 500)
    for number in range(3):
        store.put(ExportMetricsServiceRequest.FromString(otlp_body(number)))
    assert not store.dropped
    assert sum(store.points.values()) == 3 * 50


def test_a_page_of_a_failed_collector_is_not_measured() -> None:
    """A benchmark of a sidecar that gives no series would show how cheap that is."""
    page = 'exporter_collector_success{collector="gpu"} 1.0\ngpu_up{reason=""} 1.0\n# HELP x y\n'
    check(page, "gpu_up")
    assert samples(page) == 2
    with pytest.raises(AssertionError, match="lustre_client_up is not 1"):
        check(page, "lustre_client_up")
    with pytest.raises(AssertionError, match="collectors failed: gpu"):
        check(page.replace("} 1.0", "} 0.0"))
