"""What the kind `triton` plans; its server is run in tests/loadtests/test_real_triton.py."""

import importlib.util
import os
import sys

import pytest

from jobs.services import triton_prepare
from jobs.services.base import PlanError
from jobs.services.triton import SERVICE, Options
from tests.loadtests.programs import a_context


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Put a program `tritonserver` on PATH, which is never started."""
    program = tmp_path / "bin" / "tritonserver"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def plan(tmp_path, **options):
    """Plan one instance."""
    return SERVICE.plan(a_context(tmp_path, "infer"), Options.model_validate(options))


def test_it_listens_on_the_node_only(tmp_path, server):
    """HTTP and metrics on the node's address, gRPC off, the rest of the API locked, and who reads is told so."""
    made = plan(tmp_path, port=7000, metrics_port=7002)
    [program], [scrape] = made.programs, made.scrapes
    assert program.argv[0] == str(server)
    assert {
        "--http-address=127.0.0.1",
        "--http-port=7000",
        "--metrics-address=127.0.0.1",
        "--metrics-port=7002",
    } <= set(program.argv)
    assert "--allow-grpc=false" in program.argv
    assert any(word.startswith("--http-restricted-api=shared-memory,model-repository") for word in program.argv)
    assert not any("trace-config" in word or "summary_latencies" in word for word in program.argv)
    assert (scrape.address, scrape.role) == ("127.0.0.1:7002", "service")
    assert (made.target.protocol, made.target.url, made.target.model) == ("triton", "http://127.0.0.1:7000", "identity")
    assert any("no authentication" in note for note in made.notes)
    assert program.probe.models == ("identity", "add_sub")


@pytest.mark.usefixtures("server")
def test_grpc_where_it_is_asked_for(tmp_path):
    """Then it listens on the node's address too, as locked as HTTP, and the load goes there."""
    made = plan(tmp_path, grpc=True, grpc_port=7001)
    argv = made.programs[0].argv
    assert {"--grpc-address=127.0.0.1", "--grpc-port=7001"} <= set(argv)
    assert any(word.startswith("--grpc-restricted-protocol=shared-memory,model-repository") for word in argv)
    assert (made.target.protocol, made.target.url) == ("triton-grpc", "grpc://127.0.0.1:7001")


@pytest.mark.usefixtures("server")
def test_a_repository_of_ones_own(tmp_path):
    """A repository's only model is the load's default; of several, one is named."""
    repository = tmp_path / "models"
    (repository / "one").mkdir(parents=True)
    made = plan(tmp_path, model=str(repository))
    assert made.target.model == "one"
    assert f"--model-repository={repository}" in made.programs[0].argv
    assert "--tiny" not in made.programs[0].prepare[0]
    (repository / "two").mkdir()
    assert plan(tmp_path, model=str(repository)).target.model is None
    some = plan(tmp_path, model=str(repository), load=["two"], summary_latencies=True, http_threads=4)
    assert some.target.model == "two"
    assert {
        *("--model-control-mode=explicit", "--load-model=two", "--http-thread-count=4"),
        "--metrics-config=summary_latencies=true",
    } <= set(some.programs[0].argv)
    assert some.programs[0].probe.models == ("two",)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"model": "/nowhere"}, "no model repository '/nowhere'"),
        ({"model": "/", "load": ["nope"]}, "has no nope"),
        ({"load": ["nope"]}, "tiny has no model nope: identity, add_sub"),
    ],
)
@pytest.mark.usefixtures("server")
def test_what_is_not_there(tmp_path, options, word):
    """A repository or model that is not there is named, with the mend."""
    with pytest.raises(PlanError, match=word):
        plan(tmp_path, **options)


def test_no_server(tmp_path, monkeypatch):
    """Without the program and the wheel, what to install is named."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PlanError, match=r"requirements/triton\.txt"):
        plan(tmp_path)


def test_a_wheel_for_other_pythons(tmp_path, monkeypatch):
    """A wheel without a stub for this Python is refused: its models would never start."""
    package = tmp_path / "pytriton"
    (package / "tritonserver" / "python_backend_stubs" / "2.7").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    with pytest.raises(PlanError, match=r"knows Python 2\.7, not this one"):
        plan(tmp_path)


def test_the_tiny_repository(tmp_path):
    """The models are laid out as Triton wants them, and their program is Python."""
    assert triton_prepare.main(["--scratch", str(tmp_path / "s"), "--tiny"]) == 0
    for name in triton_prepare.TINY:
        model = tmp_path / "s" / "models" / name
        assert 'backend: "python"' in (model / "config.pbtxt").read_text()
        compile((model / "1" / "model.py").read_text(), name, "exec")
    assert (tmp_path / "s").stat().st_mode & 0o077 == 0
