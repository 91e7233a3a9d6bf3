"""Which flags of srun a launcher takes: a stand-in that refuses some, since no machine here has another launcher."""

import os

import pytest

from jobs.allocations import held, slurm
from jobs.allocations.base import AllocationError
from jobs.allocations.slurm import SlurmAllocation
from jobs.allocations.srun import Srun, StepError
from runs.site import Launcher

SRUN = """#!/bin/sh
echo "$*" >>"$(dirname "$0")/asked"
for word in "$@"; do
  case " $REFUSED " in *" $word "*) echo "srun: unrecognized option '$word'" >&2; exit 255;; esac
done
[ -z "$BROKEN" ] || { echo "srun: error: no daemon answers" >&2; exit 1; }
"""
SCONTROL = """#!/bin/sh
echo "$3" | tr , '\\n'
"""


@pytest.fixture
def launcher(tmp_path, monkeypatch):
    """A launcher on PATH; returns what it was asked."""
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        monkeypatch.delenv(name)
    return tmp_path / "asked"


def test_all_flags_cost_one_step(launcher):
    """Where everything is taken, one step says so."""
    srun = Srun()
    srun.probe("n1")
    assert srun.notes == []
    assert len(launcher.read_text().splitlines()) == 1
    assert srun.command("n1", "x")[:6] == [
        *("srun", "--overlap", "--mem=0", "--cpu-bind=none", "--input=none", "--unbuffered"),
    ]


def test_refused_flags_are_left_out_and_told(launcher, monkeypatch):
    """What is refused is left out, another word for it is taken where there is one, and the notes say both."""
    monkeypatch.setenv("REFUSED", "--overlap --unbuffered --cpu-bind=none --cpu-bind=no")
    srun = Srun()
    srun.probe("n1")
    assert srun.flags == ("--oversubscribe", "--mem=0", "--input=none")
    assert len(srun.notes) == 3
    assert "--overlap" in srun.notes[0]
    assert "--oversubscribe is used" in srun.notes[0]
    assert "programs may use all cores" in srun.notes[1]
    assert "unrecognized option '--unbuffered'" in srun.notes[2]
    assert srun.command("n1", "x")[:5] == ["srun", "--oversubscribe", "--mem=0", "--input=none", "--nodes=1"]
    assert len(launcher.read_text().splitlines()) == 9  # all at once, none, and each word


def test_a_node_that_starts_nothing(launcher, monkeypatch):
    """Where no step begins at all, that is the error, and not five refused flags."""
    monkeypatch.setenv("BROKEN", "1")
    with pytest.raises(StepError, match="no daemon answers"):
        Srun().probe("n1")
    assert launcher.exists()


def test_a_flag_that_may_not_go(launcher, monkeypatch):
    """Steps that cannot share the job's nodes are none, unless the site's profile says that they may do without."""
    monkeypatch.setenv("REFUSED", "--overlap --oversubscribe")
    with pytest.raises(StepError, match=r"--overlap: .*; --oversubscribe: .*nothing runs beside the job"):
        Srun().probe("n1")
    srun = Srun(Launcher(may_drop=("--overlap",)))
    srun.probe("n1")
    assert srun.flags == ("--mem=0", "--cpu-bind=none", "--input=none", "--unbuffered")
    assert launcher.exists()


def test_a_step_on_several_nodes():
    """One task on each."""
    words = Srun().command(["n1", "n2"], "x")
    assert words[-5:] == ["--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--nodelist=n1,n2", "--job-name=dashcam-x"]


def test_nodes_of_a_heterogeneous_job(launcher, monkeypatch):
    """Components come one after another, the head first; steps name their component."""
    monkeypatch.setenv("SLURM_JOB_ID", "70")
    monkeypatch.setenv("SLURM_HET_SIZE", "2")
    monkeypatch.setenv("SLURM_JOB_NODELIST_HET_GROUP_0", "g1,g2")
    monkeypatch.setenv("SLURM_JOB_NODELIST_HET_GROUP_1", "c1")
    monkeypatch.setenv("SLURMD_NODENAME", "g1")
    monkeypatch.setattr(slurm, "_address", lambda _name: "127.0.0.1")
    monkeypatch.setattr(SlurmAllocation, "_ask", lambda *_: {"time": 0.0, "ports": []})
    allocation = SlurmAllocation(3)
    assert [node.name for node in allocation.nodes(1)[0]] == ["g1", "g2", "c1"]
    assert "--het-group=1" in allocation._step(2, "x")
    assert "--het-group=0" in allocation._step(1, "x")
    assert {"SLURM_HET_SIZE", "SLURM_JOB_NODELIST_HET_GROUP_1"} <= allocation.facts().keys()
    assert launcher.exists()


@pytest.mark.parametrize(("asked", "words"), [(3, "has 2 nodes, and the recipe asks for 3"), (1, "1 of the 2 nodes")])
def test_an_allocation_of_another_size(launcher, monkeypatch, asked, words):
    """Too few nodes are an error with its mend; of too many the run uses what it asks for, and says so."""
    monkeypatch.setenv("SLURM_JOB_ID", "70")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "a,b")
    monkeypatch.setenv("SLURMD_NODENAME", "b")
    monkeypatch.setattr(slurm, "_address", lambda _name: "127.0.0.1")
    allocation = SlurmAllocation(asked)
    assert launcher.parent.is_dir()
    if asked == 3:
        with pytest.raises(AllocationError, match=words) as caught:
            allocation.nodes(1)
        assert "allocation.nodes=2" in str(caught.value)
    else:
        assert [node.name for node in allocation.nodes(1)[0]] == ["b"]
        assert words in allocation.notes[0]


def test_what_is_held(launcher):
    """An allocation that the environment tells of is one's own; whether this host is of it, is told."""
    assert launcher.parent.is_dir()
    assert held.find({}) is None
    found = held.find({"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1,n2"}, "n2.cluster.example")
    assert found == held.Held("7", ("n1", "n2"), here=True)
    elsewhere = held.find({"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1,n2"}, "login1")
    assert elsewhere is not None
    assert not elsewhere.here


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("4:57", 297), ("1:00:00", 3600), ("2-03:00:01", 183601), ("0:09", 9), ("UNLIMITED", None), ("INVALID", None)],
)
def test_time_left(text, seconds):
    """Slurm's ways of writing what a job has left."""
    assert held.parse_left(text) == seconds
