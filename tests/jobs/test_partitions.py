"""What Slurm says of its partitions: read from `sinfo`, put in the place of a profile's; no Slurm, no change."""

import pytest

from jobs import partitions
from runs import site
from runs.site import Partition

TEXT = """\
cpu|cpu*|4|8|4000|10:00|(null)
gpu|gpu|2|128|490000+|2-00:00:00|gpu:a100:4(S:0-3),nvme:1
mixed|mixed|3|16|8000|infinite|gpu:2
mixed|mixed|1|32|4000|infinite|(null)
empty|empty|0|0|0|1:00:00|(null)
sinfo: a line of somebody's plug-in
"""


def test_parse():
    """Nodes are added up over the lines of a partition; its largest node counts; what is no figure is not known."""
    found = partitions.parse(TEXT)
    assert found == {
        "cpu": Partition(nodes=4, cores=8, memory_mb=4000, gpus=0, time=600.0, default=True),
        "gpu": Partition(nodes=2, cores=128, memory_mb=490000, gpus=4, time=172800.0),
        "mixed": Partition(nodes=4, cores=32, memory_mb=8000, gpus=2, time=None),
        "empty": Partition(nodes=1, gpus=0, time=3600.0),
    }


def test_slurm_goes_before_the_profile():
    """Slurm's partitions are in the profile's place, and in no doubt any more; accounts stay the profile's."""
    known = partitions.merged(site.load("lab"), partitions.parse(TEXT))
    assert known.partitions["gpu"].gpus == 4
    assert known.partitions["gpu"].account_required
    assert known.partitions["mixed"].account_required is None
    known = partitions.merged(site.load("meluxina"), partitions.parse(TEXT))
    assert not known.doubted("partitions", "gpu", "cores")
    assert known.doubted("qos", "test", "time")


@pytest.mark.parametrize("body", ["exit 1", "echo nothing", "sleep 20"])
def test_no_answer(tmp_path, monkeypatch, body):
    """A sinfo that fails, talks nonsense or hangs leaves the profile as it is."""
    program = tmp_path / "sinfo"
    program.write_text(f"#!/bin/sh\nexec 2>/dev/null\n{body.replace('sleep', 'exec sleep')}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert partitions.merged(site.load("lab"), partitions.ask(0.5)) == site.load("lab")
