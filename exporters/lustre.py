"""`lustre`: a Lustre client's own statistics, of versions 2.5 to 2.16, by the name of the file system.

They are the whole node's, not the job's: on a shared node other jobs are in them. Where they cannot be had,
`lustre_client_up` is 0 and says why, `lustre_client_probe` what was tried; what the job's own programs read and wrote
is then in the process collector's `process_tree_read_chars_total` and its likes.
"""

import time
from collections.abc import Iterable, Mapping

from prometheus_client.core import Metric

from exporters.collector import CollectorKind, Context, Option
from exporters.families import Families
from exporters.lustre_figures import Figures
from exporters.lustre_params import LNET_STATS
from exporters.lustre_sources import (
    EMPTY,
    MISSING,
    NOT_NEEDED,
    PARTIAL,
    STATISTICS,
    TIMEOUT,
    Commands,
    Files,
    Found,
)

_EVERY = 2.0
"""Seconds between two runs of lctl."""


class Lustre:
    """See the module."""

    name = "lustre"

    def __init__(self, context: Context) -> None:
        self._files = Files(context.proc_root, context.sys_root)
        self._commands = Commands(
            context.environment, context.option("lctl") or "lctl", context.seconds("lustre-every", _EVERY)
        )
        self._figures = Figures(context.malformed)
        self._late = context.late
        self._within = context.within

    def collect(self) -> Iterable[Metric]:
        """See `exporters.collector.Collector`."""
        deadline = time.monotonic() + self._within  # what the files leave of it the programs may take
        found = self._files.read()
        outcomes = dict(found.outcomes)
        age = None
        if STATISTICS in outcomes.values():
            outcomes |= {"lctl": NOT_NEEDED, "sudo": NOT_NEEDED}
        elif self._present(outcomes):
            more = self._commands.read(deadline)
            age = more.age
            outcomes |= more.outcomes
            found = Found({**more.params, **found.params}, outcomes, found.hanging)
        else:
            outcomes |= {"lctl": MISSING, "sudo": NOT_NEEDED}
        params = dict(found.params)
        if LNET_STATS not in params and self._present(outcomes):
            params |= self._commands.lnet(deadline)
        reason = self._reason(params, outcomes, found.hanging)
        if found.hanging or TIMEOUT in outcomes.values():
            self._late.add()
        families = Families("lustre")
        families.gauge(
            "client_up", "1 if the client's statistics can be read; else why not.", not reason, reason=reason
        )
        for step, outcome in outcomes.items():
            families.gauge("client_probe", "What came of each place that was tried.", 1.0, step=step, outcome=outcome)
        families.gauge("client_hanging_files", "Files whose reading does not return.", float(found.hanging))
        families.gauge("client_sample_age_seconds", "Time since lctl ran.", age)
        self._figures.add(families, params)
        return families

    def _present(self, outcomes: Mapping[str, str]) -> bool:
        # debugfs is closed to users whether or not there is a Lustre in it.
        return self._commands.there or any(outcomes.get(step) != MISSING for step in ("proc", "sysfs"))

    def _reason(self, params: Mapping[str, str], outcomes: Mapping[str, str], hanging: int) -> str:
        if STATISTICS in outcomes.values():
            return ""
        if not self._present(outcomes):
            return "no Lustre client on this node"
        if hanging:
            return "reading Lustre's files does not return"
        mounted = any(name.startswith(("llite.", "osc.", "mdc.")) for name in params)
        seen = {outcomes.get("proc"), outcomes.get("sysfs"), outcomes.get("lctl")}
        if not mounted and seen <= {MISSING, EMPTY, PARTIAL}:
            return "no Lustre file system is mounted"
        tried = ", ".join(f"{step}: {outcome}" for step, outcome in outcomes.items())
        return f"the statistics are hidden ({tried})"


COLLECTOR = CollectorKind(
    "lustre",
    "the Lustre client of the node: bytes, operations, RPCs, read-ahead, capacity, LNet",
    Lustre,
    (
        Option("lctl", "PROGRAM", "the lctl to ask where files tell nothing (default: the one on PATH)"),
        Option("lustre-every", "SECONDS", f"how often lctl is run, where it is needed (default {_EVERY:g})"),
    ),
)
