"""What the rules cost: Prometheus with and without them, over pages of exporters as a run has them, at 1 s.

`python -m benchmarks.rules [NODES...]`: CPU in cores, resident memory, series, and the time of one evaluation of all
groups. Each node has a node_exporter's page (from the binary on PATH), a service's and a load's.
"""

import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from loadtests.metrics import Metrics
from loadtests.outcome import Outcome
from prometheus import rules, server, web
from prometheus.client import Client
from prometheus.config import Scrape, write_config
from prometheus.version import Version

SECONDS = 40


def _vllm(at: float) -> str:
    """Write a page with vLLM's names, whose counters grow with the time."""
    lines = ["vllm:num_requests_running 8\nvllm:num_requests_waiting 3\nvllm:kv_cache_usage_perc 0.5\n"]
    lines += [f'vllm:request_success_total{{finished_reason="{w}"}} {at * 10}\n' for w in ("stop", "length", "error")]
    lines += [f"vllm:{name}_tokens_total {at * 100}\n" for name in ("prompt", "generation")]
    for name in ("time_to_first_token", "inter_token_latency", "e2e_request_latency", "request_queue_time"):
        lines += [f'vllm:{name}_seconds_bucket{{le="{2.0**n}"}} {at * n}\n' for n in range(-8, 12)]
        lines += [f'vllm:{name}_seconds_bucket{{le="+Inf"}} {at * 12}\n', f"vllm:{name}_seconds_count {at * 12}\n"]
        lines += [f"vllm:{name}_seconds_sum {at}\n"]
    return "".join(lines)


def _node() -> bytes:
    """Take one page of a real node_exporter."""
    with tempfile.TemporaryDirectory() as place:
        files = web.write_web_config(Path(place), "node", web.Credentials.generate())
        command = server.node_exporter_command("prometheus-node-exporter", "127.0.0.1:29100", files.config)
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    auth = (files.credentials.user, files.credentials.password)
                    return requests.get("http://127.0.0.1:29100/metrics", auth=auth, timeout=5).content
                except requests.RequestException:
                    time.sleep(0.05)
        finally:
            child.terminate()
            child.wait()
    raise SystemExit("node_exporter does not answer")


def _pages() -> ThreadingHTTPServer:
    """Serve /node, /vllm and /load on loopback."""
    from prometheus_client.exposition import generate_latest  # noqa: PLC0415 - after the argument check

    load = Metrics(["warmup", "steady"])
    load.enter("steady", rate=20.0)
    node, begun = _node(), time.time()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "load" in self.path:
                series = load.phases["steady"]
                series.intend()
                series.leave(0.001)
                series.end(0.0, Outcome(ok=True, sent=0.001, done=0.02))
                body = generate_latest(load.registry)
            else:
                body = node if "node" in self.path else _vllm(time.time() - begun).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    return served


def measure(nodes: int, address: str, *, ruled: bool) -> None:
    """Run one Prometheus and print its cost."""
    scrapes = [
        Scrape(job, "service", f"n{node}", address, metrics_path=f"/{job}/{node}")
        for node in range(nodes)
        for job in ("node", "vllm", *(("load",) if node == 0 else ()))
    ]
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        files = web.write_web_config(home, "prometheus", web.Credentials.generate())
        config = write_config(home, scrapes, run_id="r", interval=1.0, version=Version(2, 42))
        if not ruled:
            (home / rules.FILE).write_text("groups: []\n")
        command = server.live_command("prometheus", config, home / "data", "127.0.0.1:29090", files.config)
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            client = Client("http://127.0.0.1:29090", "dashcam", files.password_file)
            while not client.ready():
                time.sleep(0.05)
            time.sleep(12)  # the first scrape comes after 5 s, and the rates want a window
            begun, before = time.monotonic(), _cpu(child.pid)
            time.sleep(SECONDS)
            cores = (_cpu(child.pid) - before) / (time.monotonic() - begun)
            auth = (files.credentials.user, files.credentials.password)
            own = requests.get("http://127.0.0.1:29090/metrics", auth=auth, timeout=10).text
        finally:
            child.terminate()
            child.wait()
    took = sum(
        float(x.split()[-1]) for x in own.splitlines() if x.startswith("prometheus_rule_group_last_duration_sec")
    )
    series = next(x.split()[-1] for x in own.splitlines() if x.startswith("prometheus_tsdb_head_series "))
    memory = next(x.split()[-1] for x in own.splitlines() if x.startswith("process_resident_memory_bytes "))
    print(
        f"{nodes:4d} nodes, {'with' if ruled else 'no  '} rules: {cores:.3f} cores, {float(memory) / 2**20:.0f} MiB, "
        f"{float(series):.0f} series, {took * 1000:.1f} ms an evaluation"
    )


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> None:
    """Measure for each number of nodes."""
    served = _pages()
    address = f"127.0.0.1:{served.server_address[1]}"
    for nodes in map(int, sys.argv[1:] or ["1", "20"]):
        for ruled in (False, True):
            measure(nodes, address, ruled=ruled)


if __name__ == "__main__":
    main()
