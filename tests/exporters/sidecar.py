"""Starts sidecars as real processes and talks to them."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOKEN = "made-up-secret"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Sidecar:
    """A sidecar that serves."""

    process: "subprocess.Popen[str]"
    host: str
    port: int

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection((self.host, self.port), timeout=10)

    def ask(self, path: str = "/metrics", token: str | None = TOKEN, method: str = "GET") -> Answer:
        """Send a request; returns the whole answer."""
        authorization = f"Authorization: Bearer {token}\r\n" if token is not None else ""
        return self.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n".encode())

    def send(self, request: bytes) -> Answer:
        """Send these bytes; returns the whole answer."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer:
    """Read until the other side closes."""
    content = b""
    while part := connection.recv(65536):
        content += part
    head, _, body = content.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(status.split()[1]), headers, body)


def token_file(folder: Path, mode: int = 0o600) -> Path:
    """Write the token."""
    path = folder / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(mode)
    return path


@contextmanager
def serving(folder: Path, *arguments: str, code: str = "") -> Iterator[Sidecar]:
    """Start `python -m exporters ARGUMENTS` on a free port, with `code` run first in its process."""
    argv = [*arguments, "--listen", "127.0.0.1:0", "--token-file", str(token_file(folder))]
    program = f"import sys\n{code}\nfrom exporters.cli import run\nsys.exit(run({argv!r}))\n"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=(folder / "stderr").open("w"),
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 20)
            line = process.stdout.readline() if ready else ""
            assert line.startswith("listening "), (line, (folder / "stderr").read_text())
            host, _, port = line.split()[1].rpartition(":")
            yield Sidecar(process, host, int(port))
        finally:
            if process.poll() is None:
                process.kill()


def end(sidecar: Sidecar, number: signal.Signals) -> tuple[int, float]:
    """Signal the sidecar; returns its exit code and how long it took to end."""
    begun = time.monotonic()
    sidecar.process.send_signal(number)
    code = sidecar.process.wait(10)
    return code, time.monotonic() - begun
