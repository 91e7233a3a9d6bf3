"""The command line."""

import os
import socket
from pathlib import Path

import pytest

from exporters.cli import run
from tests.exporters.exposition import Samples, check_metrics
from tests.exporters.sidecar import token_file
from tests.exporters.trees import FakeProcess

RUN = "20261123-142207-demo-a3f9"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a machine with one program of the run."""
    proc = tmp_path / "proc"
    FakeProcess(100, environment={"DASHCAM_RUN_ID": RUN, "DASHCAM_PROCESS": "llm"}, user=100).write(proc)
    (proc / "stat").write_text("btime 1795000000\n")
    return tmp_path


def test_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One scrape on stdout, of the machine below --root; promtool has nothing to say."""
    assert run(["process", "cgroup", "process", "--once", "--root", str(root), "--run-id", RUN]) == 0
    out, err = capsys.readouterr()
    samples = Samples.parse(out)
    assert samples("process_tree_cpu_seconds_total", service="llm", mode="user") == 100 / os.sysconf("SC_CLK_TCK")
    assert samples("cgroup_up", reason="no cgroup file system is mounted") == 0
    assert err == ""
    check_metrics(out)


def test_once_on_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """All figures of the real /proc and /sys pass promtool."""
    assert run(["process", "cgroup", "--once", "--pid", f"me={os.getpid()}"]) == 0
    out = capsys.readouterr().out
    assert (Samples.parse(out)("process_tree_resident_memory_bytes", service="me") or 0) > 1e6
    check_metrics(out)


def test_once_with_a_collector_that_fails(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is printed, the failure is said on stderr, and the exit code is 1."""
    monkeypatch.setattr("exporters.process.ProcessCollector.collect", lambda _self: 1 / 0)
    assert run(["process", "cgroup", "--once", "--root", str(root), "--run-id", RUN]) == 1
    out, err = capsys.readouterr()
    assert Samples.parse(out)("exporter_collector_success", collector="process") == 0
    assert "cgroup_up" in out
    assert "collector process: ZeroDivisionError" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["proces", "--once"], "did you mean 'process'? there are "),
        (["process", "--once"], "--run-id"),
        (["process", "--pid", "x", "--once"], "--pid"),
        (["cgroup"], "--token-file is missing"),
        (["cgroup", "--once", "--timeout", "0"], "--timeout"),
        (["cgroup", "--once", "--timeout", "nan"], "--timeout"),
        (["cgroup", "--once", "--run-id", "a\r\nX: y"], "--run-id"),
        (["cgroup", "--once", "--root", "/nowhere"], "/nowhere is not a folder"),
        (["cgroup", "--listen", "9100"], "HOST:PORT"),
        (["cgroup", "--listen", "127.0.0.1:99999"], "HOST:PORT"),
        ([], "NAME"),
        (["cgroup", "--nonsense"], "--nonsense"),
    ],
)
def test_what_is_not_understood(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the text says what to do."""
    assert run(argv) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""


def test_an_unknown_name_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Near or not, the names there are follow."""
    assert run(["zzz", "--once"]) == 2
    err = capsys.readouterr().err
    assert "cgroup" in err
    assert "process" in err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """It lists the collectors and their own options."""
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    for word in ("process:", "cgroup:", "--service-env", "--pid", "--token-file"):
        assert word in out


def test_a_token_that_others_can_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing listens with it."""
    assert run(["cgroup", "--token-file", str(token_file(tmp_path, 0o644))]) == 1
    assert "chmod 600" in capsys.readouterr().err


def test_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the port and the mend, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["cgroup", "--token-file", str(token_file(tmp_path)), "--listen", f"127.0.0.1:{port}"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"port {port}" in err
    assert "--listen" in err


def test_a_host_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An address of no interface is an error of one line as well."""
    assert run(["cgroup", "--token-file", str(token_file(tmp_path)), "--listen", "192.0.2.1:0"]) == 1
    assert "cannot listen on 192.0.2.1:0" in capsys.readouterr().err
