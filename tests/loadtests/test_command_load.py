"""`command`: any program as the load, with its results brought in."""

import json
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from loadtests import progress, records
from loadtests.main import run
from loadtests.tools.command import Options
from tests.loadtests.tools import Python, a_plan, wait_for

STEADY = {"name": "steady", "for": 5, "users": 2}
BENCH = """
import json, sys, time
out, url, users, seconds = sys.argv[1:]
begin = time.perf_counter()
time.sleep(0.1)
json.dump({"duration": 0.1, "input_lens": [3, 3], "output_lens": [2, 2], "ttfts": [0.01, 0.02],
           "itls": [[0.03], [0.04]], "errors": ["", ""], "start_times": [begin, begin + 0.01],
           "asked": [url, users, seconds]}, open(out, "w"))
"""


def load(directory, *phases, target="given", **options):
    """Run a command load in this process; returns its exit code, its result and its requests."""
    target = {"protocol": "anything", "url": "http://h:7/v1", "model": "m"} if target == "given" else target
    path = a_plan(directory, "", *phases, target=target, load={"generator": "command", "options": options})
    code = run([str(path)])
    result = json.loads((directory / "load" / progress.RESULT).read_text())
    records.finish(directory / "load")
    return code, result, pd.read_parquet(directory / "load" / records.PARQUET)


def script(directory, text):
    """Write a program."""
    path = directory / "bench.py"
    path.write_text(text)
    return str(path)


def test_results_come_in(tmp_path):
    """Places are filled in, the program's results become records, and the phase is the time that they cover."""
    code, result, frame = load(
        tmp_path, STEADY,
        command=[sys.executable, script(tmp_path, BENCH), "{output}/x.json", "{url}", "{users}", "{seconds}"],
        **{"import": {"kind": "vllm-bench", "file": "{output}/x.json"}},
    )  # fmt: skip
    assert (code, result["state"], result["warnings"]) == (0, "done", [])
    kept = json.loads((tmp_path / "load" / "command" / "steady" / "x.json").read_text())
    assert kept["asked"] == ["http://h:7/v1", "2", "5"]
    assert frame.ok.all()
    assert frame.tokens_out.tolist() == [2, 2]
    assert (frame.done - frame.sent).dt.total_seconds().tolist() == pytest.approx([0.04, 0.06])
    span = result["phases"][0]
    assert pd.Timestamp(span["started"]) <= frame.sent.min()
    assert frame.done.max() <= pd.Timestamp(span["ended"])
    assert (span["sent"], span["ok"]) == (2, 2)
    assert "exact" in result["notes"]["clock_steady"]


def test_without_an_importer_the_program_is_measured(tmp_path):
    """Each phase is one operation as long as the program took; no service is needed."""
    code, result, frame = load(
        tmp_path, STEADY, target=None, command=[sys.executable, "-c", "import time; time.sleep(.2)"]
    )
    assert code == 0
    (figures,) = result["aggregates"]
    assert (figures["count"], figures["time"], len(frame)) == (1, "run time", 0)
    assert 0.2 <= figures["seconds"] == figures["mean"] < 3


def test_a_bad_end_is_told(tmp_path):
    """A program that fails ends the load, with its exit code and its last words."""
    code, result, _ = load(tmp_path, STEADY, command=[sys.executable, "-c", "import sys; sys.exit('no licence')"])
    assert (code, result["state"]) == (1, "failed")
    assert "ended phase steady with exit code 1: no licence" in result["message"]


def test_exit_codes_may_be_good(tmp_path):
    """A recipe says which ends are good."""
    code, result, _ = load(tmp_path, STEADY, command=[sys.executable, "-c", "raise SystemExit(3)"], exit_codes=[0, 3])
    assert (code, result["state"]) == (0, "done")


def test_results_that_are_not_there(tmp_path):
    """A missing or broken file is named, with the mend."""
    wanted = {"kind": "warp", "file": "*.csv.zst"}
    code, result, _ = load(tmp_path, STEADY, command=["true"], **{"import": wanted})
    assert code == 1
    assert "names 0 files (nothing is there)" in result["message"]
    (tmp_path / "b").mkdir()
    code, result, _ = load(tmp_path / "b", STEADY, command=["touch", "x.csv.zst"], **{"import": wanted})
    assert code == 1
    assert "x.csv.zst:1: the first line lacks" in result["message"]


def test_a_program_that_goes_on_is_ended(tmp_path):
    """At the end of its phase a program is told to end, which is a warning."""
    begin = time.monotonic()
    code, result, _ = load(tmp_path, {**STEADY, "for": 0.3}, command=["sleep", "60"])
    assert time.monotonic() - begin < 5
    assert code == 0
    assert "was told to end" in result["warnings"][0]


def test_a_signal_ends_the_program_too(tmp_path):
    """SIGTERM to the load ends the program and all that it started; what is there is kept."""
    path = a_plan(tmp_path, "", {**STEADY, "for": 60}, target=None, linger=True, load={
        "generator": "command", "options": {"command": ["sh", "-c", "sleep 60 & echo $! > child; wait"]}})  # fmt: skip
    child = tmp_path / "load" / "command" / "steady" / "child"
    with Python("loadtests", str(path)) as process:
        wait_for(tmp_path / "load", lambda state: state.phase == "steady" and child.exists(), process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child.read_text().strip()}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert json.loads((tmp_path / "load" / progress.RESULT).read_text())["state"] == "interrupted"


@pytest.mark.parametrize(("options", "words"), [
    ({"command": "x {prot}"}, r"\{prot\} is unknown: \{url\}"),
    ({"command": "x", "import": {"kind": "wrk", "file": "a"}}, "'wrk' is no importer: there are aiperf"),
    ({"command": "x", "import": {"kind": "fio", "file": "{a}"}}, r"\{a\} is unknown"),
    ({"command": []}, "at least 1 item"),
])  # fmt: skip
def test_bad_options_are_named(options, words):
    """What a recipe may not hold is said."""
    with pytest.raises(ValueError, match=words):
        Options.model_validate(options)
