"""What a run leaves on a node: its processes are ended, its scratch directory goes, nobody else's does."""

import os
import subprocess
import sys

from jobs import identity, leaving, scratch

RUN = "20261124-010203-job-a1b2"


def start(run_id):
    """Start something that carries a run's id, and asks for no signal but SIGKILL."""
    code = "import signal, sys; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, identity.RUN_VARIABLE: run_id}, stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"up\n"
    return child


def test_leaving(tmp_path):
    """As a step does it: the run's own are gone, another run's stay."""
    ours, other = start(RUN), start("20261124-010203-other-a1b2")
    try:
        place = tmp_path / scratch.name(RUN)
        (place / "data").mkdir(parents=True)
        (tmp_path / "else").mkdir()
        argv = [sys.executable, "-P", "-m", "jobs.leaving", RUN, str(place)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert ours.wait(5) == -9
        assert other.poll() is None
        assert [path.name for path in tmp_path.iterdir()] == ["else"]
    finally:
        for child in (ours, other):
            child.kill()
            child.communicate()


def test_what_cannot_be_ended_is_said(tmp_path, monkeypatch, capsys):
    """A process that stays (in the kernel, say) is named, and the exit code tells."""
    monkeypatch.setattr(identity, "kill_tagged", lambda _run: [(12, "llm")])
    assert leaving.main([RUN, str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err == "still running: llm (12)\n"
