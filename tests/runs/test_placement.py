"""Whether an allocation fits a site: each thing that Slurm would refuse has its own words and mend."""

import pytest

from runs import document, placement, reader, site
from runs.document import RecipeError
from runs.recipe import Allocation, Strict
from runs.site import Site


class Anything(Strict):
    """Options of a made-up kind."""


REST = "services: {llm: {kind: llamacpp}}\nload: {generator: openai, phases: [{name: steady, for: 1s, rate: 1}]}\n"


def catalog(profile):
    """Make a catalog that checks allocations against a profile."""
    return reader.Catalog(
        {"llamacpp": Anything}, {"openai": Anything}, ("node", "cgroup", "process"),
        allocation=lambda asked: placement.misfits(profile, asked),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "asked", "found"),
    [
        ("lab", {}, []),
        ("lab", {"nodes": 5}, [("nodes", "5 asked, partition cpu of lab has 4", "ask 4 at most")]),
        ("lab", {"partition": "gpus"}, [("partition", "lab has no partition 'gpus'", "did you mean 'gpu'?")]),
        ("lab", {"partition": "xyz"}, [("partition", "lab has no partition 'xyz'", "there are cpu, gpu")]),
        ("lab", {"partition": "cpu,gpu"}, []),
        ("lab", {"partition": "cpu,xyz"}, [("partition", "lab has no partition 'xyz'", "there are cpu, gpu")]),
        ("lab", {"partition": "gpu"}, [("account", "partition gpu of lab takes no job without one", "account: ")]),
        (
            "meluxina",
            {"gpus_per_node": 1, "account": "p1", "partition": "cpu"},
            [("gpus_per_node", "partition cpu of meluxina has none", "take partition: gpu")],
        ),
        (
            "lab",
            {"partition": "gpu", "account": "bench", "gpus_per_node": 3},
            [("gpus_per_node", "partition gpu of lab has 2 a node", "ask 2 at most")],
        ),
        ("lab", {"cpus_per_node": 9}, [("cpus_per_node", "a node of partition cpu of lab has 8", "ask 8 at most")]),
        ("lab", {"memory": "5G"}, [("memory", "5G asked, a node of partition cpu of lab has 4000M", "4000M")]),
        ("lab", {"memory": "4000M"}, []),
        ("lab", {"time": "00:10:01"}, [("time", "10m1s asked, partition cpu of lab ends jobs after 10m", "10m")]),
        ("lab", {"qos": "devel"}, [("qos", "lab has no QOS 'devel'", "did you mean 'dev'?")]),
        (
            "lab",
            {"qos": "dev", "time": "6m", "nodes": 3},
            [("time", "6m asked, QOS dev", "ask 5m at most"), ("nodes", "3 asked, QOS dev of lab lets a job", "ask 2")],
        ),
        ("generic-slurm", {"partition": "any", "qos": "any", "nodes": 9999, "gpus_per_node": 99}, []),
        ("meluxina", {}, [("account", "meluxina takes no job without one", "p200000")]),
        (
            "meluxina",
            {"account": "p1", "partition": "gpu", "qos": "test", "time": "1h"},
            [("time", "1h asked, QOS test of meluxina ends jobs after 30m", "or take qos: dev (nobody verified qos")],
        ),
        (
            "meluxina",
            {"account": "p1", "partition": "cpu", "time": "3-00:00:00"},
            [("time", "72h asked, QOS default of meluxina ends jobs after 48h", "or take qos: long (nobody")],
        ),
    ],
)
def test_misfits(name, asked, found):
    """Everything that does not fit is told, and only that."""
    told = list(placement.misfits(site.load(name), Allocation.model_validate({"time": "5m", **asked})))
    assert [misfit.key for misfit in told] == [key for key, _, _ in found]
    for misfit, (_, message, mend) in zip(told, found, strict=True):
        assert message in misfit.message
        assert mend in misfit.mend


def test_what_sbatch_inherits():
    """An account by sbatch's own variable is one; what the recipe says goes before it."""
    variables = {"SBATCH_ACCOUNT": "p1", "SBATCH_PARTITION": "gpu", "SBATCH_QOS": ""}
    asked = placement.inherited(Allocation.model_validate({"partition": "cpu"}), variables)
    assert (asked.account, asked.partition, asked.qos) == ("p1", "cpu", None)
    assert not list(placement.misfits(site.load("meluxina"), asked))


def test_reservation_that_must_be():
    """A QOS that is used by a reservation only says which."""
    qos = {"dev": {"reservation": {"cpu": "cpudev"}, "reservation_required": True}}
    profile = Site.model_validate({"name": "x", "qos": qos})
    asked = Allocation.model_validate({"qos": "dev", "partition": "cpu"})
    told = list(placement.misfits(profile, asked))
    assert [(m.key, m.mend) for m in told] == [("reservation", "set reservation: cpudev")]
    assert not list(placement.misfits(profile, asked.model_copy(update={"reservation": "cpudev"})))


def test_hints():
    """A QOS that has a reservation, or takes few jobs, is told of; the default QOS says nothing."""
    profile = site.load("meluxina")
    told = " / ".join(placement.hints(profile, Allocation.model_validate({"qos": "dev", "partition": "gpu"})))
    assert "(not verified)" in told
    assert "allocation.reservation=gpudev" in told
    assert "1 job of QOS dev" in told
    assert not list(placement.hints(profile, Allocation.model_validate({"partition": "gpu"})))


def test_with_the_other_errors_of_a_recipe():
    """What does not fit is told with the lines of the recipe, beside whatever else is wrong."""
    text = f"name: job\nallocation:\n  nodes: 9\n  time: 1h\nwatch: {{exporters: [nod]}}\n{REST}"
    with pytest.raises(RecipeError) as caught:
        reader.check(document.parse(text, "r.yaml", ("allocation.partition=gpu",)), catalog(site.load("lab")))
    words = str(caught.value)
    assert "4 errors in r.yaml" in words
    for part in (
        "r.yaml:3: allocation.nodes: 9 asked, partition gpu of lab has 2",
        "r.yaml:4: allocation.time: 1h asked, partition gpu of lab ends jobs after 10m",
        "r.yaml:2: allocation.account: is missing",
        "unknown exporter 'nod'",
    ):
        assert part in words
    with pytest.raises(RecipeError, match=r"--set allocation.partition=nowhere: lab has no partition 'nowhere'"):
        reader.check(
            document.parse(f"name: job\n{REST}", "r", ["allocation.partition=nowhere"]), catalog(site.load("lab"))
        )
