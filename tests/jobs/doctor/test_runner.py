"""The preflight's runner: a check that hangs, dies or fails is a finding; nothing of it is left."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from jobs import identity
from jobs.doctor import checks
from jobs.doctor.base import Check, Context, Line, ask
from jobs.doctor.runner import examine
from runs.site import Site


@pytest.fixture
def context(tmp_path, monkeypatch):
    """Look at folders of a test."""
    (tmp_path / "disk").mkdir()
    site = Site(name="here", local_disk=(str(tmp_path / "disk"),))
    monkeypatch.setattr("jobs.scratch.MEMORY", frozenset())
    return Context(site, None, tmp_path / "recordings" / "of" / "mine", "here")


def run(context, look, **options):
    """Run one check."""
    return next(found for _, found in examine(context, [Check("it", "node", look, **options)]))


def test_every_file_is_a_check():
    """Each check is found by being there; their names are unique and their files say what they look at."""
    found = checks()
    assert len({check.name for check in found}) == len(found) >= 20
    folder = Path(__file__).parents[3] / "jobs" / "doctor"
    plumbing = {"__init__", "base", "boxes", "runner", "scrape", "versions", "peer"}
    assert len(found) == len([path for path in folder.glob("*.py") if path.stem not in plumbing])


def test_what_a_check_says(context):
    """Lines come back as they are, from a process of its own."""
    line = Line("a", "missing", "b [c]", "mend", needed=True)
    assert run(context, lambda _: [line, Line("pid", "ok", str(os.getpid()))])[0] == line
    assert run(context, lambda _: [Line("pid", "ok", str(os.getpid()))])[0].detail != str(os.getpid())


@pytest.mark.parametrize("vital", [True, False])
@pytest.mark.parametrize("how", ["raise", "die", "hang"])
def test_one_that_fails(context, how, vital):
    """It is missing and needed where a run would meet the same, else degraded; it takes no longer than it may."""

    def look(_context):
        if how == "raise":
            raise ValueError("bad words")
        if how == "die":
            os.kill(os.getpid(), 9)
        while True:
            time.sleep(60)

    begin = time.monotonic()
    (line,) = run(context, look, within=1.0, vital=vital)
    assert time.monotonic() - begin < 10
    assert (line.state, line.needed) == (("missing", True) if vital else ("degraded", False))
    words = {"raise": "ValueError: bad words", "die": "ended without a word", "hang": "not found out within 1 s"}
    assert words[how] in line.detail


@pytest.mark.parametrize("hangs", [True, False])
def test_what_a_check_started_ends_with_it(context, tmp_path, hangs):
    """A program and its child that a check leaves behind are gone when the check is."""
    pids = tmp_path / "pids"

    def look(_context):
        script = f"sleep 600 & echo $! $$ >{pids}.new; mv {pids}.new {pids}; exec sleep 600"
        subprocess.Popen(["sh", "-c", script])
        while not pids.exists():
            time.sleep(0.01)
        if hangs:
            time.sleep(600)
        return [Line("it", "ok", "")]

    run(context, look, within=5.0)
    deadline = time.monotonic() + 5
    while any(identity.start_ticks(int(pid)) is not None for pid in pids.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_is_left_behind(context, tmp_path):
    """The places that checks may write to are there while they look, and go with all that is in them."""
    seen = []

    def look(found):
        for place in (found.scratch, found.shared):
            (place / "file").write_text("x")
        return [Line("places", "ok", f"{found.scratch} {found.shared}")]

    for _, (line,) in examine(context, [Check("it", "disk", look)]):
        seen += [Path(word) for word in line.detail.split()]
        assert all((place / "file").is_file() for place in seen)
    assert [place.parent for place in seen] == [tmp_path / "disk", tmp_path]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["disk"]


def test_closed_early(context, tmp_path):
    """Who stops listening (Ctrl-C) leaves nothing either."""
    answers = examine(context, [Check("it", "disk", lambda _: []), Check("more", "disk", lambda _: [])])
    next(answers)
    assert len(list(tmp_path.rglob("*"))) == 3
    answers.close()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["disk"]


def test_places_that_cannot_be_written(tmp_path, monkeypatch):
    """A check is told that there is none."""
    monkeypatch.setattr("jobs.doctor.runner.tempfile.mkdtemp", _refuse)
    monkeypatch.setattr(Path, "mkdir", _refuse)
    context = Context(Site(name="x"), None, tmp_path, "here")
    (line,) = run(context, lambda found: [Line("it", "ok", f"{found.scratch} {found.shared}")])
    assert line.detail == "None None"


def _refuse(*_arguments, **_options):
    raise PermissionError(13, "Permission denied")


def test_ask():
    """Programs: their words, their code; those that are not there or do not end have none."""
    assert ask(["sh", "-c", "echo out; echo error >&2; exit 3"]).code == 3
    assert ask(["sh", "-c", "echo out; echo error >&2; exit 3"]).reason == "error"
    assert ask(["/nowhere/x"]).reason == "/nowhere/x: No such file or directory"
    begin = time.monotonic()
    late = ask(["sh", "-c", "trap '' TERM; sleep 60 & wait; wait; sleep 60"], 0.3)
    assert late.code is None
    assert "did not answer within 0.3 s" in late.reason
    assert time.monotonic() - begin < 15
