"""The version of control groups, and whether the job's own can be found."""

from collections.abc import Iterable

from jobs.doctor.base import Check, Context, Line
from jobs.doctor.scrape import once, reason


def _look(context: Context) -> Iterable[Line]:
    samples = once("cgroup")
    found = [labels for name, labels, _ in samples if name == "cgroup_info"]
    versions = sorted({labels["version"] for labels in found})
    why = reason(samples, "cgroup_up")
    lost = "no CPU, memory and throttling of the job's own group; the whole node's are there"
    if why is not None:
        yield Line("cgroup", "degraded", f"{why}: {lost}")
        return
    text = " and ".join(versions) or "version unknown"
    if context.job and not any(labels["scope"] == "job" for labels in found):
        yield Line("cgroup", "degraded", f"{text}, but none of this job's (Slurm keeps it in no group): {lost}")
    else:
        yield Line("cgroup", "ok", text + (f", with a group of job {context.job}" if context.job else ""))


CHECK = Check("cgroup", "node", _look, order=2)
