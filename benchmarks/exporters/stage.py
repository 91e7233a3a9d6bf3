"""Starts what a benchmark needs, on loopback and behind secrets, and stops it by pid at the end, however that comes."""

import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.exporters.pages import PageServer
from benchmarks.exporters.target import Target, basic, bearer
from prometheus.loopback import free_port
from prometheus.server import node_exporter_command
from prometheus.web import Credentials, write_web_config

_WITHIN = 30.0
"""Seconds in which a program must be ready, and after which one that does not end is killed."""

_POLL = 0.02
_NODE_EXPORTERS = ("prometheus-node-exporter", "node_exporter")


class Stage:
    """Programs and files of one benchmark, made by `staged`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._count = 0
        self.token_file = self._secret("token", Credentials.generate().password)

    def sidecar(self, name: str, *arguments: str) -> Target:
        """Start `python -m exporters ARGUMENTS`, as a run does."""
        serve = ("--listen", "127.0.0.1:0", "--token-file", str(self.token_file))
        process = self._start(name, (sys.executable, "-P", "-m", "exporters", *arguments, *serve))
        address = self._line(name, process).removeprefix("listening ")
        return self._target(Target(name, process.pid, address, bearer(self.token_file)))

    def node_exporter(self, name: str = "node_exporter", *, compressed: bool = True) -> Target:
        """Start node_exporter with the collectors that a run asks for."""
        binary = node_exporter_binary()
        credentials = Credentials.generate()
        web = write_web_config(self.folder, f"{name}-{self._count}", credentials)
        address = f"127.0.0.1:{free_port()}"
        process = self._start(name, node_exporter_command(binary, address, web.config))
        authorization = basic(credentials.user, credentials.password)
        target = self._target(Target(name, process.pid, address, authorization, compressed=compressed))
        deadline = time.monotonic() + _WITHIN
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):
                target.scrape()
                return target
            time.sleep(_POLL)
        raise AssertionError(f"{name} is not ready: {self._errors(name)}")

    def tree(self, run_id: str, service: str, processes: int, threads: int = 1) -> None:
        """Start a service of run `run_id` that has so many processes, each of so many threads."""
        program = Path(__file__).with_name("tree.py")
        tags = {"DASHCAM_RUN_ID": run_id, "DASHCAM_PROCESS": service}
        name = f"{service}-{self._count}"
        process = self._start(name, (sys.executable, "-P", str(program), str(processes), str(threads)), tags)
        assert self._line(name, process) == "ready"

    def pages(self, pages: Sequence[bytes]) -> tuple[str, ...]:
        """Serve pages in turn as dcgm-exporter would; returns the options by which `gpu` reads it."""
        self._count += 1
        user = f"dcgm:{Credentials.generate().password}"
        server = self._stack.enter_context(PageServer(pages, basic(*user.split(":"))))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        return "--dcgm-url", url, "--dcgm-password-file", str(self._secret(f"dcgm-{self._count}", user))

    def otlp(self, *, grpc: bool = False) -> tuple[str, ...]:
        """Return the options of an OTLP receiver behind this stage's token; its address is the second of them."""
        more = ("--otlp-grpc-listen", f"127.0.0.1:{free_port()}") if grpc else ()
        return "--otlp-listen", f"127.0.0.1:{free_port()}", "--otlp-token-file", str(self.token_file), *more

    def _secret(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def _target(self, target: Target) -> Target:
        self._stack.callback(target.close)
        return target

    def _start(
        self, name: str, command: Sequence[str], tags: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        self._count += 1
        # Nothing but what is tagged here may belong to a run, even when the benchmark itself is run in one.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("DASHCAM_")}
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if tags else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**inherited, **(tags or {})},
            )
        self._stack.callback(_end, process)
        return process

    def _line(self, name: str, process: "subprocess.Popen[str]") -> str:
        """Return the line by which a program says that it is ready."""
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _WITHIN)
        line = process.stdout.readline().strip() if ready else ""
        assert line, f"{name} is not ready: {self._errors(name)}"
        return line

    def _errors(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text().strip()


@contextmanager
def staged() -> Iterator[Stage]:
    """Give a stage; at the end all that was started on it is stopped, last first, and its files are removed."""
    with tempfile.TemporaryDirectory(prefix="dashcam-bench-") as folder, ExitStack() as stack:
        yield Stage(Path(folder), stack)


def node_exporter_binary() -> str:
    """Return node_exporter's path."""
    found = next((path for path in map(shutil.which, _NODE_EXPORTERS) if path), None)
    assert found, "no node_exporter on PATH: `make setup` installs it"
    return found


def _end(process: "subprocess.Popen[str]") -> None:
    """End a program: a tree by closing its input, which all of its processes share, another by SIGTERM."""
    if process.stdin is not None:
        process.stdin.close()
    else:
        process.terminate()
    if process.stdout is not None:
        process.stdout.close()
    try:
        process.wait(_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
