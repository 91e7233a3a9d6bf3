"""Whether the figures of the node's Lustre client can be read, and by which way."""

from collections.abc import Iterable

from jobs.doctor.base import Check, Context, Line
from jobs.doctor.scrape import once, reason

_WAYS = {"proc": "/proc", "sysfs": "sysfs", "debugfs": "debugfs", "lctl": "lctl", "sudo": "sudo -n lctl"}


def _look(context: Context) -> Iterable[Line]:
    samples = once("lustre")
    tried = {labels["step"]: labels["outcome"] for name, labels, _ in samples if name == "lustre_client_probe"}
    why = reason(samples, "lustre_client_up")
    if why is None:
        way = next((_WAYS.get(step, step) for step, outcome in tried.items() if outcome == "statistics"), "?")
        yield Line("Lustre", "ok", f"its client's statistics are read by {way}")
    elif set(tried.values()) <= {"missing", "not needed"}:
        if context.watched("lustre"):
            yield Line("Lustre", "degraded", f"{why}: no lustre_* series", "leave `lustre` out of watch.exporters")
        else:
            yield Line("Lustre", "ok", why)
    else:
        lost = f"{why}; what the job's own programs read and wrote is there by the sidecar `process`"
        mend = "ask the site for `sudo -n lctl get_param`, or for readable debugfs"
        yield Line("Lustre", "degraded", lost, mend)


CHECK = Check("Lustre", "node", _look, order=1)
