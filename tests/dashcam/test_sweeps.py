"""Sweeps: told by what their runs left, submitted job by job with refusals told, and run whole on this machine."""

import json
import os
from datetime import UTC, datetime

import pytest

from dashcam import cli, sweeps
from jobs import exits, submit
from jobs import sweeps as made
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest, Place, Verdict
from runs.runid import UnknownRunError
from tests.jobs.driver import Driver

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
RECIPE = """\
name: grid
services: {llm: {kind: llamacpp, model: tiny, parallel: 2, threads: 1}}
watch: {interval: 500ms, exporters: [process], grafana: off}
load:
  generator: openai
  prompt_tokens: 8
  max_tokens: 4
  drain: 2s
  phases: [{name: steady, for: 3s, rate: 5, arrival: constant}]
sweep:
  load.phases.0.rate: [5, 10]
  services.llm.ready_within: [60s, 10ms]
"""


def left(
    root, number, values, *, repeat=1, ending="completed", valid=True, p50=0.01, sweep="20261125-100000-grid-a1b2"
):
    """Leave what a run of a sweep leaves."""
    place = Place(id=sweep, number=number, of=5, values=values, repeat=repeat)
    run = RunDirectory.create(root, made.run_id(place))
    recipe = {"name": "grid", "load": {"phases": [{"rate": values["load.phases.0.rate"]}]}}
    reason = "" if ending == "completed" else "llm was not ready\n    | its log"
    Manifest(
        id=run.id, recipe=recipe, state="ended", ending=ending, reason=reason, created=NOW, sweep=place,
        verdict=Verdict(valid=valid) if ending == "completed" else None,
    ).save(run.manifest)  # fmt: skip
    if ending == "completed":
        headline = [
            {"label": "latency p50", "value": p50, "unit": "s", "text": "", "low": p50 * 0.9, "high": p50 * 1.1}
        ]
        run.summary.write_text(json.dumps({"valid": valid, "headline": headline, "findings": []}))
    seal.seal(run)
    return run


@pytest.fixture
def place(tmp_path):
    """Four of the five runs of a sweep: two repeats of one point, one of another, a failed one."""
    left(tmp_path, 1, {"load.phases.0.rate": 5})
    left(tmp_path, 2, {"load.phases.0.rate": 50}, p50=0.09)
    left(tmp_path, 3, {"load.phases.0.rate": 500}, ending="failed")
    left(tmp_path, 4, {"load.phases.0.rate": 5}, repeat=2, p50=0.0101)
    return tmp_path


def test_what_became_of_each(place):
    """A line a run with its values, failures and what was never made; points are columns, repeats one of them."""
    sweep = made.find(place, "last")
    text = sweeps.text(sweep, 100)
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][1:] == ["20261125-100000-grid-a1b2:", "5", "runs:", "3", "VALID,", "1", "failed"]
    assert lines[2][:5] == ["rate", "repeat", "verdict", "latency", "p50"]
    assert lines[3] == ["1", "A", "5", "1", "VALID", "10", "ms"]
    assert lines[4] == ["2", "B", "50", "1", "VALID", "90", "ms"]
    assert lines[5] == ["3", "500", "1", "failed", "-"]
    assert lines[6] == ["4", "A", "5", "2", "VALID", "10.1", "ms"]
    assert "rate: load.phases.0.rate" in text
    assert "run 5 was never made" in text
    assert "20261125-100000-grid-a1b2-0003: llm was not ready\n" in text
    assert "A (2 runs)" in text
    assert "load.phases.0.rate  A 5  |  B 50" in text
    assert sweeps.code(sweep) == exits.FAILED
    answer = sweeps.as_json(sweep)
    assert answer["missing"] == [5]
    assert answer["runs"][1]["figures"] == {"latency p50": 0.09}
    assert [column["counted"] for column in answer["comparison"]["columns"]] == [
        ["20261125-100000-grid-a1b2-0001", "20261125-100000-grid-a1b2-0004"],
        ["20261125-100000-grid-a1b2-0002"],
    ]


def test_a_narrow_terminal(place):
    """Figures that do not fit are left to the comparison; no line of the table is longer than asked."""
    table = sweeps.text(made.find(place, "last"), 40).split("\n\n")[1].splitlines()[:5]
    assert max(map(len, table)) <= 40


def test_a_sweep_by_any_of_its_names(place):
    """Its id, a prefix, one of its runs; another sweep is another."""
    left(place, 1, {"load.phases.0.rate": 1}, sweep="20261126-100000-grid-c3d4")
    for name in ("20261125-100000-grid-a1b2", "20261125", "20261125-100000-grid-a1b2-0002"):
        assert made.find(place, name).id == "20261125-100000-grid-a1b2"
    assert made.find(place, "last").id == "20261126-100000-grid-c3d4"
    with pytest.raises(UnknownRunError, match="fits 2 sweeps"):
        made.find(place, "2026")
    with pytest.raises(UnknownRunError, match="there are 20261125-100000-grid-a1b2"):
        made.find(place, "2027")


SBATCH = """\
#!/bin/sh
count=$(cat "$0.count" 2>/dev/null || echo 0)
echo $((count + 1)) >"$0.count"
for word in "$@"; do case "$word" in --dependency=*|--job-name=*) printf '%s ' "$word" >>"$0.asked";; esac; done
echo >>"$0.asked"
[ $count -ne 2 ] || { echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2; exit 1; }
echo $((100 + count))
"""


def test_a_refused_job_among_others(tmp_path, monkeypatch, capsys):
    """Slurm takes three of four: those are submitted, one after another; the refused one is told and leaves nothing."""
    program = tmp_path / "sbatch"
    program.write_text(SBATCH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    recipe, root = tmp_path / "r.yaml", tmp_path / "rec"
    recipe.write_text(RECIPE)
    assert cli.main(["submit", str(recipe), "--root", str(root), "--json"]) == exits.FAILED
    told = capsys.readouterr()
    answer = json.loads(told.out)
    assert [run["job"] for run in answer["runs"]] == ["100", "101", "103"]
    assert "run 3 of 4 was not submitted" in told.err
    assert "QOSMaxSubmitJobPerUserLimit" in told.err
    assert made.find(root, answer["sweep"]).missing == [3]
    asked = {line.strip() for line in (tmp_path / "sbatch.asked").read_text().splitlines()}
    assert asked == {f"--job-name=dashcam-{answer['sweep']} --dependency=singleton"}


COMPONENTS = """\
name: comp
allocation:
  components:
    - {name: gpu, partition: gpus, gpus_per_node: 4, account: p1, qos: default}
    - {name: cpu, partition: cpu, gpus_per_node: 4, account: p1, qos: default}
services: {llm: {kind: llamacpp, model: tiny, node: gpu}}
load: {generator: openai, node: cpu, phases: [{name: steady, for: 1s, rate: 1}]}
"""


def test_components_are_held_against_the_site(tmp_path, monkeypatch, capsys):
    """What a site cannot give to one of them is said at its own line, before Slurm is asked."""
    monkeypatch.setattr("jobs.partitions.ask", dict)
    recipe = tmp_path / "r.yaml"
    recipe.write_text(COMPONENTS)
    assert cli.main(["submit", str(recipe), "--site", "meluxina", "--root", str(tmp_path / "rec")]) == exits.USAGE
    told = capsys.readouterr().err
    assert "r.yaml:4: allocation.components.0.partition: meluxina has no partition 'gpus'" in told
    assert "r.yaml:5: allocation.components.1.gpus_per_node: 4 asked, partition cpu of meluxina has none" in told


def test_where_a_run_goes(monkeypatch):
    """Here, or in what one holds and is in; what is held elsewhere is not overlooked."""
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        monkeypatch.delenv(name)
    assert [submit.where(word) for word in ("auto", "local", "slurm")] == ["local", "local", "slurm"]
    here = submit.held.Held("7", ("n1",), here=True)
    monkeypatch.setattr(submit.held, "find", lambda: here)
    assert [submit.where(word) for word in ("auto", "local", "slurm")] == ["held", "local", "held"]
    monkeypatch.setattr(submit.held, "find", lambda: submit.held.Held("7", ("n1",), here=False))
    assert submit.where("slurm") == "slurm"
    with pytest.raises(submit.SubmitError, match=r"you hold job 7 on n1.*srun --overlap"):
        submit.where("auto")


@pytest.mark.real
def test_a_sweep_on_this_machine(tmp_path):
    """Runs one after another; after a failure the next goes on; the exit code is that of the worst."""
    driver = Driver(tmp_path / "recordings")
    driver.recipe.write_text(RECIPE)
    done = driver.call("run", str(driver.recipe), "--json")
    assert done.returncode == exits.FAILED, done.stderr
    answer = json.loads(done.stdout)
    assert [run["ending"] for run in answer["runs"]] == ["completed", "failed", "completed", "failed"]
    rates = [Manifest.load(run / "run.json").recipe["load"]["phases"][0]["rate"] for run in driver.runs()]
    assert rates == [5, 5, 10, 10]
    assert all(seal.verify(RunDirectory(run)).intact for run in driver.runs())
    assert driver.left() == []
