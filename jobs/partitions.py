"""What Slurm itself says of its partitions: it goes before what a site profile says of them."""

import re
import shutil
import subprocess
from collections.abc import Mapping

from runs.site import Partition, Site
from runs.units import seconds

_FORMAT = "%R|%P|%D|%c|%m|%l|%G"
"""sinfo(1): partition, partition with * for the default, nodes, CPUs, MiB, time limit, generic resources."""
_GPU = re.compile(r"gpu(?::[^:,()]+)?:(\d+)")
_WITHIN = 10.0


def ask(within: float = _WITHIN) -> Mapping[str, Partition]:
    """Return the partitions that Slurm tells of; none where there is no Slurm, or it does not answer in time.

    Nodes of one partition may differ: the figures are those of its largest node, so that nothing is refused wrongly.
    """
    if shutil.which("sinfo") is None:
        return {}
    try:
        done = subprocess.run(
            ["sinfo", "--all", "--noheader", f"--format={_FORMAT}"],
            capture_output=True, text=True, check=False, timeout=within,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return parse(done.stdout) if done.returncode == 0 else {}


def parse(text: str) -> dict[str, Partition]:
    """Read sinfo's answer in the format above; a line that cannot be read is left out."""
    found: dict[str, Partition] = {}
    for line in text.splitlines():
        words = line.strip().split("|")
        if len(words) != 7 or not words[2].isdecimal():
            continue
        name, starred, nodes, cores, memory, limit, gres = words
        before = found.get(name)
        found[name] = Partition(
            nodes=max(1, int(nodes) + (before.nodes or 0 if before else 0)),
            cores=_largest(_number(cores), before.cores if before else None),
            memory_mb=_largest(_number(memory), before.memory_mb if before else None),
            gpus=_largest(sum(map(int, _GPU.findall(gres))), before.gpus if before else None),
            time=_limit(limit),
            default=starred.endswith("*"),
        )
    return found


def merged(site: Site, found: Mapping[str, Partition] | None = None) -> Site:
    """Return the profile with Slurm's own partitions (asked for by default), where Slurm tells of any."""
    found = ask() if found is None else found
    if not found:
        return site
    partitions = {
        name: partition.model_copy(
            update={"account_required": site.partitions[name].account_required} if name in site.partitions else {}
        )
        for name, partition in found.items()
    }
    # What Slurm says is no longer in doubt.
    marks = tuple(mark for mark in site.unverified if mark.partition(".")[0] != "partitions")
    return site.model_copy(update={"partitions": partitions, "unverified": marks})


def _number(word: str) -> int | None:
    digits = word.rstrip("+")
    return int(digits) if digits.isdecimal() and int(digits) > 0 else None


def _largest(first: int | None, second: int | None) -> int | None:
    return max((value for value in (first, second) if value is not None), default=None)


def _limit(word: str) -> float | None:
    """Read a limit: [D-]HH:MM:SS, MM:SS, or a word (infinite, n/a) that is none."""
    try:
        return seconds(word) or None
    except ValueError:
        return None
