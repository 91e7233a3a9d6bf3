"""Whether an allocation fits a site: what Slurm would refuse, or never start, found before it is asked."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from runs.recipe import Allocation
from runs.site import Partition, Qos, Site

_MEMORY = re.compile(r"(\d+)([KMGT]?)B?", re.IGNORECASE)
_MEBI = {"K": 1 / 1024, "": 1.0, "M": 1.0, "G": 1024.0, "T": 1024.0 * 1024.0}


@dataclass(frozen=True)
class Misfit:
    """A key of `allocation` that the site cannot satisfy: what, and the mend."""

    key: str
    message: str
    mend: str


def misfits(site: Site, asked: Allocation) -> Iterator[Misfit]:
    """Yield everything of `asked` that the site's profile rules out; what it does not know it does not refuse."""
    name = asked.partition or next((key for key, value in site.partitions.items() if value.default), None)
    found = site.partitions.get(name) if name else None  # of a list, a,b, Slurm takes whichever is free: none is known
    for each in asked.partition.split(",") if asked.partition and site.partitions else ():
        if each not in site.partitions:
            yield _unknown(site, "partition", each, site.partitions)
    if name and found:
        yield from _partition(site, asked, name, found)
    required = site.account_required
    if found is not None and found.account_required is not None:
        required = found.account_required
    if required and not asked.account:
        where = f"partition {name} of {site.name}" if name and not site.account_required else site.name
        yield Misfit("account", f"is missing: {where} takes no job without one", "name your project: account: p200000")
    qos = asked.qos or next((key for key, value in site.qos.items() if value.default), None)
    if asked.qos and site.qos and asked.qos not in site.qos:
        yield _unknown(site, "qos", asked.qos, site.qos)
    if qos and qos in site.qos:
        yield from _qos(site, asked, qos, site.qos[qos], name)


def inherited(asked: Allocation, environment: Mapping[str, str]) -> Allocation:
    """Return what sbatch will ask: what a recipe leaves out may come from its input variables (sbatch(1))."""
    fields = ("account", "partition", "qos", "reservation")
    found = {key: environment.get(f"SBATCH_{key.upper()}") for key in fields if getattr(asked, key) is None}
    return asked.model_copy(update={key: value for key, value in found.items() if value})


def hints(site: Site, asked: Allocation) -> Iterator[str]:
    """Yield what a person should know of an allocation that fits."""
    found = site.qos.get(asked.qos or "")
    if found and not asked.reservation and not found.reservation_required:
        name = asked.partition or next((key for key, value in site.partitions.items() if value.default), "")
        if name in found.reservation:
            sure = " (not verified)" if site.doubted("qos", asked.qos or "", "reservation", name) else ""
            yield (
                f"{site.name} documents its QOS {asked.qos} with a reservation{sure}: if the job waits, set "
                f"allocation.reservation={found.reservation[name]}"
            )
    if found and found.jobs is not None:
        yield f"{site.name} lets a user have {found.jobs} job{'s' * (found.jobs > 1)} of QOS {asked.qos} at once"


def _unknown(site: Site, key: str, value: str, known: Iterable[str]) -> Misfit:
    words = sorted(known)
    close = get_close_matches(value, words, n=1, cutoff=0.6)
    mend = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(words)}"
    what = "QOS" if key == "qos" else key
    return Misfit(key, f"{site.name} has no {what} {value!r}", mend)


def _partition(site: Site, asked: Allocation, name: str, found: Partition) -> Iterator[Misfit]:
    def limit(key: str, field: str, message: str, mend: str) -> Misfit:
        return Misfit(key, message, mend + _doubt(site, "partitions", name, field))

    where = f"partition {name} of {site.name}"
    if found.nodes is not None and asked.nodes > found.nodes:
        yield limit("nodes", "nodes", f"{asked.nodes} asked, {where} has {found.nodes}", f"ask {found.nodes} at most")
    if found.gpus is not None and asked.gpus_per_node > found.gpus:
        others = [key for key, other in site.partitions.items() if (other.gpus or 0) >= asked.gpus_per_node]
        has = f"{found.gpus} a node" if found.gpus else "none"
        mend = f"take partition: {others[0]}" if others else f"ask {found.gpus} at most"
        yield limit("gpus_per_node", "gpus", f"{asked.gpus_per_node} asked, {where} has {has}", mend)
    if found.cores is not None and asked.cpus_per_node is not None and asked.cpus_per_node > found.cores:
        message = f"{asked.cpus_per_node} asked, a node of {where} has {found.cores}"
        yield limit("cpus_per_node", "cores", message, f"ask {found.cores} at most")
    memory = _mebibytes(asked.memory)
    if found.memory_mb is not None and memory is not None and memory > found.memory_mb:
        message = f"{asked.memory} asked, a node of {where} has {found.memory_mb}M"
        yield limit("memory", "memory_mb", message, f"ask {found.memory_mb}M at most")
    if found.time is not None and asked.time > found.time:
        message = f"{clock(asked.time)} asked, {where} ends jobs after {clock(found.time)}"
        yield limit("time", "time", message, f"ask {clock(found.time)} at most")


def _qos(site: Site, asked: Allocation, name: str, found: Qos, partition: str | None) -> Iterator[Misfit]:
    where = f"QOS {name} of {site.name}"
    if found.time is not None and asked.time > found.time:
        longer = _longer(site.qos, asked.time)
        mend = f"ask {clock(found.time)} at most" + (f", or take qos: {longer}" if longer else "")
        message = f"{clock(asked.time)} asked, {where} ends jobs after {clock(found.time)}"
        yield Misfit("time", message, mend + _doubt(site, "qos", name, "time"))
    if found.nodes is not None and asked.nodes > found.nodes:
        message = f"{asked.nodes} asked, {where} lets a job have {found.nodes}"
        yield Misfit("nodes", message, f"ask {found.nodes} at most" + _doubt(site, "qos", name, "nodes"))
    if found.reservation_required and not asked.reservation:
        word = found.reservation.get(partition or "", next(iter(found.reservation.values()), "NAME"))
        yield Misfit("reservation", f"is missing: {where} needs one", f"set reservation: {word}")


def _longer(qos: Mapping[str, Qos], seconds: float) -> str | None:
    fitting = {name: each.time for name, each in qos.items() if each.time is not None and each.time >= seconds}
    return min(fitting, key=lambda name: fitting[name]) if fitting else None


def _doubt(site: Site, *keys: str) -> str:
    if not site.doubted(*keys):
        return ""
    return f" (nobody verified {'.'.join(keys)} of the profile {site.name}: if it is wrong, give a file of your own)"


def _mebibytes(memory: str | None) -> float | None:
    match = _MEMORY.fullmatch(memory.strip()) if memory else None
    return int(match[1]) * _MEBI[match[2].upper()] if match else None


def clock(seconds: float) -> str:
    """Write a time limit as people read it: 48h, 30m, 1h30m, 45s."""
    whole = round(seconds)
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
