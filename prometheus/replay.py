"""A recording opened again: a Prometheus of our own over a copy of its blocks, or of what a dead one left.

A copy, because Prometheus writes beside what it opens (wal/, locks) and may compact. Hard links make it cheap where the
file system allows; a directory of symbolic links would silently answer nothing. Retention is a century: it counts from
the newest block, and the default would age a long recording out.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus import loopback, server
from prometheus.client import Client, PrometheusError
from prometheus.web import Credentials, write_web_config
from runs import atomic, follower

_BINARY = "prometheus"
_READY_WITHIN = 120.0
"""Seconds. A WAL of a large run takes its time to replay."""
_ATTEMPTS = 5
_STOP_WITHIN = 20.0

Elsewhere = Callable[[Path], Sequence[str] | None]
"""Gives the words that start a Prometheus which sees a directory, where it is not on PATH; None: there is none."""
_elsewhere: list[Elsewhere] = []


@dataclass(frozen=True)
class Replay:
    """A Prometheus that serves a recording on loopback."""

    client: Client
    url: str
    user: str
    password_file: Path
    process: "subprocess.Popen[bytes]"
    data: Path


def also(elsewhere: Elsewhere) -> None:
    """Have `elsewhere` asked, in place of what was given before, where there is no Prometheus on PATH."""
    _elsewhere[:] = [elsewhere]


@contextlib.contextmanager
def open_blocks(blocks: Path | Iterable[Path], scratch: Path, port: int | None = None) -> Iterator[Replay]:
    """Serve a copy of a recording's `tsdb/`, made below `scratch` and removed at the end. Raises PrometheusError.

    Several recordings are served together: their series differ by `run_id`. Blocks that overlap in time are merged by
    the queries (since 2.39; older releases refuse them). `port` of loopback: default is a free one.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    home = _home(scratch)
    try:
        for folder in (blocks,) if isinstance(blocks, Path) else blocks:
            for block in sorted(folder.iterdir()) if folder.is_dir() else ():
                target = home / "data" / block.name
                if (block / "meta.json").is_file() and not target.exists():  # a copy of a recording: the same block
                    _copy(block, target, link=True)
        with _serve(home, port) as replay:
            yield replay
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def open_data(data: Path, scratch: Path) -> Iterator[Replay]:
    """Serve a copy of a data directory whose Prometheus is dead: its WAL is replayed. Raises PrometheusError."""
    scratch.mkdir(parents=True, exist_ok=True)
    home = _home(scratch)
    try:
        for entry in data.iterdir():
            if entry.name in {"wal", "chunks_head", "wbl"}:
                _copy(entry, home / "data" / entry.name, link=False)  # replay repairs a torn tail in place
            elif (entry / "meta.json").is_file():
                _copy(entry, home / "data" / entry.name, link=True)
        with _serve(home) as replay:
            yield replay
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _home(scratch: Path) -> Path:
    home = scratch / f"replay-{os.getpid()}-{random.SystemRandom().randrange(16**6):06x}"
    (home / "data").mkdir(parents=True, mode=0o700)
    return home


def _copy(source: Path, target: Path, *, link: bool) -> None:
    if link:
        with contextlib.suppress(OSError):  # another file system, or one without links
            shutil.copytree(source, target, copy_function=os.link)
            return
        shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


@contextlib.contextmanager
def _serve(home: Path, port: int | None = None) -> Iterator[Replay]:
    words = _program(home)
    config = home / "prometheus.yml"
    atomic.write(config, "global: {}\n", sync=False)
    credentials = Credentials.generate()
    web = write_web_config(home, "replay", credentials)
    for attempt in range(_ATTEMPTS):
        address = f"127.0.0.1:{port or loopback.free_port()}"
        opened = [*words[:-1], *server.replay_command(words[-1], config, home / "data", address, web.config)]
        command = follower.command(opened, signal.SIGTERM)  # were we killed, it would stay
        with (home / "prometheus.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        try:
            client = Client(f"http://{address}", credentials.user, web.password_file)
            if _wait(process, client, last=bool(port) or attempt == _ATTEMPTS - 1, log=home / "prometheus.log"):
                yield Replay(client, client.url, credentials.user, web.password_file, process, home / "data")
                return
        finally:
            loopback.stop(process, _STOP_WITHIN)


def _program(home: Path) -> Sequence[str]:
    if binary := shutil.which(_BINARY):
        return (binary,)
    for elsewhere in _elsewhere:
        if words := elsewhere(home):
            return words
    raise PrometheusError(
        f"no program {_BINARY} on PATH: on Debian `apt-get install prometheus`; or Apptainer and its image: "
        "`dashcam images pull prometheus`"
    )


def _wait(process: "subprocess.Popen[bytes]", client: Client, *, last: bool, log: Path) -> bool:
    """Wait until it answers. False: the port was taken meanwhile, try another. Raises PrometheusError."""
    deadline = time.monotonic() + _READY_WITHIN
    while not client.ready():
        if process.poll() is not None:
            words = log.read_text(errors="replace")
            if "address already in use" in words and not last:
                return False
            if "address already in use" in words:
                raise PrometheusError(f"{client.url} is taken by another program: choose another port")
            tail = "\n".join(f"    | {line[:300]}" for line in words.splitlines()[-8:])
            raise PrometheusError(f"Prometheus could not open the recording (exit code {process.returncode})\n{tail}")
        if time.monotonic() > deadline:
            raise PrometheusError(f"Prometheus did not open the recording within {_READY_WITHIN:.0f} s; log: {log}")
        time.sleep(0.02)
    # Asked after the answer: with our password it could only be answered by the child, unless that is dead.
    return process.poll() is None
