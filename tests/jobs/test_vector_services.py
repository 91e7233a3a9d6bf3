"""What the kinds `chroma` and `faiss` plan; their servers are run in tests/heavy and tests/jobs/test_faiss.py."""

import os
import stat

import pytest
import yaml

from jobs.services import catalogue
from jobs.services.base import Context, PlanError


@pytest.fixture
def context(tmp_path):
    """A place on one node, with a receiver of OTLP/gRPC."""

    def secret(name, value):
        path = tmp_path / name
        path.touch(mode=0o600)
        path.write_text(value)
        return path

    return Context(
        run_id="20260101-000000-test-abcd",
        name="vectors",
        node=0,
        node_name="n1",
        address="10.0.0.1",
        scratch=tmp_path / "scratch",
        live=tmp_path,
        ready_within=30.0,
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://10.0.0.1:4318", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=x"},
        port=lambda asked: asked or 1234,
        secret=secret,
        otlp_grpc=lambda: "10.0.0.1:4317",
    )


@pytest.fixture
def chroma(tmp_path, monkeypatch):
    """Put a program on PATH that only knows its version."""
    program = tmp_path / "bin" / "chroma"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho chroma 1.4.4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def plan(kind, context, **options):
    """Plan one instance."""
    found = catalogue()[kind]
    return found.plan(context, found.Options.model_validate(options))


def test_chroma_is_told_where_to_listen_and_to_send(context, chroma):
    """The node's address, the run's scratch and the receiver, in a file; and in the environment, which wins."""
    made = plan("chroma", context)
    (program,) = made.programs
    assert program.argv[:2] == (str(chroma), "run")
    path = context.live / "vectors.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert yaml.safe_load(path.read_text()) == {
        "port": 1234,
        "listen_address": "10.0.0.1",
        "persist_path": str(context.scratch / "data"),
        "allow_reset": False,
        "open_telemetry": {
            "endpoint": "http://10.0.0.1:4317",
            "service_name": "vectors",
            "filters": [{"crate_name": "chroma_frontend", "filter_level": "trace"}],
        },
    }
    assert program.env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://10.0.0.1:4317"
    assert program.env["OTEL_EXPORTER_OTLP_HEADERS"] == "authorization=x"
    assert made.versions == (("vectors", "chroma 1.4.4"),)
    assert any("no authentication" in note for note in made.notes)
    assert made.target.url == "http://10.0.0.1:1234"


@pytest.mark.usefixtures("chroma")
def test_chroma_without_traces(context):
    """`traces: false` leaves the receiver out."""
    plan("chroma", context, traces=False)
    assert "open_telemetry" not in yaml.safe_load((context.live / "vectors.yaml").read_text())


def test_without_the_program(context, monkeypatch):
    """A machine without chroma is told so, with the mend."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PlanError, match="no program chroma on PATH: pip install chromadb"):
        plan("chroma", context)


def test_faiss_has_a_secret_of_its_own(context):
    """The server gets its key by a file; no command line holds it."""
    made = plan("faiss", context, threads=3)
    (program,) = made.programs
    secret = made.target.secret()
    assert secret
    assert len(secret) >= 32
    assert secret not in " ".join(program.argv)
    assert program.argv[-2:] == ("--threads", "3")
    assert made.scrapes[0].address == "10.0.0.1:1234"


def test_faiss_in_process_starts_nothing(context):
    """Inside the load there is no program and no page, and the report says so."""
    made = plan("faiss", context, in_process=True)
    assert made.programs == made.scrapes == ()
    assert made.target.url == "in-process:"
    assert "client and service in one" in made.notes[0]
