"""How long the series of a large run take at its end: `python -m benchmarks.ending [--targets 1000] ...`.

One server stands for all targets, each an address of loopback with a page of its own size. A run's Prometheus scrapes
them for some time, with the continuous copy beside it, and then its series are saved twice: as a short run's are (a
snapshot through the API), and as a large one's are whose job is about to be killed (Prometheus ended, the copy
finished, blocks made of it later).
"""

import argparse
import asyncio
import hashlib
import multiprocessing
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from benchmarks.meter import cpu_seconds
from jobs import haste
from prometheus import server, snapshot, web
from prometheus.client import Client
from prometheus.config import Scrape, write_config
from prometheus.loopback import LOOPBACK, free_port, stop
from prometheus.shipping import Shipment
from prometheus.version import Version
from runs.directory import RunDirectory

_PAGES = 8


class _Pages(asyncio.Protocol):
    """Answers each request with one of a few pages, so that values change from scrape to scrape."""

    pages: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._turn = id(self) // 64 % _PAGES
        self._waiting = b""

    def data_received(self, data: bytes) -> None:
        """Answer what is asked, whatever it is."""
        self._waiting += data
        while b"\r\n\r\n" in self._waiting:
            self._waiting = self._waiting.partition(b"\r\n\r\n")[2]
            self._turn = (self._turn + 1) % _PAGES
            self._transport.write(self.pages[self._turn])


def _serve(port: int, series: int) -> None:
    import uvloop  # noqa: PLC0415 - in the server's process only

    draw = random.Random(1)  # noqa: S311 - values, not secrets

    def page() -> bytes:
        lines = [f'synthetic_{n % 25}_total{{part="{n // 25}"}} {draw.random() * 1e6:.6f}\n' for n in range(series)]
        body = "".join(lines).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    _Pages.pages = tuple(page() for _ in range(_PAGES))

    async def serve() -> None:
        listening = await asyncio.get_running_loop().create_server(_Pages, "0.0.0.0", port, backlog=4096)  # noqa: S104
        await listening.serve_forever()

    uvloop.run(serve())


@contextmanager
def _scraped(options: argparse.Namespace, place: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Client, Path]]:
    """Have a Prometheus scrape the targets; yields it, its client and its data directory."""
    port, listen = free_port(), f"{LOOPBACK}:{free_port()}"
    pages = multiprocessing.get_context("spawn").Process(target=_serve, args=(port, options.series), daemon=True)
    pages.start()
    scrapes = [
        Scrape(job="synthetic", role="sidecar", node=f"n{n:04}", address=f"127.1.{n // 250}.{n % 250 + 1}:{port}")
        for n in range(options.targets)
    ]
    binary = shutil.which("prometheus") or "prometheus"
    config = write_config(place, scrapes, run_id="synthetic", interval=options.interval, version=Version.of(binary))
    files = web.write_web_config(place, "prometheus", web.Credentials.generate())
    data = place / "data"
    with (place / "prometheus.log").open("wb") as log:
        command = server.live_command(binary, config, data, listen, files.config)
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        client = Client(f"http://{listen}", files.credentials.user, files.password_file)
        while not client.ready():
            time.sleep(0.05)
        yield process, client, data
    finally:
        stop(process, 20)
        pages.terminate()


def _sum(path: Path) -> int:
    """Hash what the seal would hash; returns its bytes."""
    size = 0
    for file in path.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                hashlib.file_digest(stream, "sha256")
            size += file.stat().st_size
    return size


def _one(options: argparse.Namespace, place: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    run = RunDirectory.create(place / "runs", "20260101-000000-large-a1b2")
    with _scraped(options, place) as (process, client, data):
        shipment, begun, busy = Shipment(data, run.series_copy), time.monotonic(), 0.0
        while time.monotonic() - begun < options.seconds:
            time.sleep(min(5.0, max(1.0, options.interval)))
            before = time.monotonic()
            shipment.ship()
            busy += time.monotonic() - before
        took = time.monotonic() - begun
        found["cores of Prometheus"] = cpu_seconds(process.pid) / took
        found["share of the time that copying takes"] = busy / took
        head = haste.head(data)
        found["WAL, MB"] = head / 1e6
        found["expected of a snapshot"] = haste.snapshot_seconds(head)
        up = client.query("count(up == 1)")
        found["targets up"] = float(up[0].values[0]) if up else 0.0
        found["scrapes lost"] = float(client.query("sum(count_over_time(up[1h]) - sum_over_time(up[1h]))")[0].values[0])
        before = time.monotonic()
        blocks = snapshot.take(client, data, run)
        found["snapshot through the API"] = time.monotonic() - before
        found["samples in it"] = sum(block.samples for block in blocks)
        before = time.monotonic()
        process.terminate()
        process.wait()
        ended = time.time()
        found["Prometheus ended"] = time.monotonic() - before
        before = time.monotonic()
        shipment.ship()
        found["last round of the copy"] = time.monotonic() - before
    before = time.monotonic()
    found["bytes of the copy, MB"] = _sum(run.series_copy) / 1e6
    found["hashed for the seal"] = time.monotonic() - before
    before = time.monotonic()
    blocks = snapshot.collect_dead(run.series_copy, run, place / "reopened")
    found["blocks made of the copy, later"] = time.monotonic() - before
    found["samples in them"] = sum(block.samples for block in blocks)
    found["from the last sample to the end of Prometheus"] = ended - blocks[-1].end
    quick = found["Prometheus ended"] + found["last round of the copy"] + found["hashed for the seal"]
    found["saved and hashed in haste"] = quick
    found["times faster than the snapshot"] = found["snapshot through the API"] / quick
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="How long the series of a large run take at its end.")
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--series", type=int, default=500, help="of each target")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between scrapes")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to scrape")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dashcam-bench-") as place:
        for name, value in _one(options, Path(place)).items():
            print(f"{name:<46} {value:14,.3f}")


if __name__ == "__main__":
    main()
