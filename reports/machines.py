"""Rules about the nodes: did they stay what they are, and did they belong to the run while it was measured?"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from reports.alerts import Firing
from reports.evidence import Evidence
from reports.honesty import Level, finding
from reports.words import display
from runs.manifest import Finding

FOREIGN_SHARE, FOREIGN_CORES = 0.10, 0.25
STOLEN_SHARE = 0.05
WATCHING_SHARE = 0.10

SERIOUS: Mapping[str, Level] = {
    "JobOomKill": "invalid",
    "NodeOomKill": "invalid",
    "GpuEccErrors": "invalid",
    "GpuUnreachable": "invalid",
    "GpuXidError": "warning",
    "GpuThermalThrottle": "warning",
    "GpuIdle": "warning",
    "CpuThermalThrottle": "warning",
    "JobCpuThrottled": "warning",
    "JobOomNear": "warning",
    "NodeSwaps": "warning",
    "LustreHangs": "warning",
}
"""Alerts (`prometheus.rules`) about machines. After those that make a run INVALID the system is another one: a process
is gone, a GPU is gone, what was computed may be wrong."""


def alone(evidence: Evidence) -> Iterator[Finding]:
    """See that the nodes belonged to the run: others used no more than a tenth of a node's cores, and a quarter of one.

    What others use is what node_exporter counts as user, nice and system time, less that of the run's own programs;
    interrupts are left out, for the load's own traffic makes them. Of what a hypervisor gives away (steal) 5 % are
    forgiven. A warning: that the figures were hurt nobody can tell. (Princeton's jobstats tells the same to users.)
    """
    for machine in evidence.machines:
        others = machine.busy - machine.ours
        facts = {
            "node": machine.node, "cores": machine.cores, "others_cores": round(others, 3),
            "stolen_cores": round(machine.stolen, 3),
        }  # fmt: skip
        if others > max(FOREIGN_SHARE * machine.cores, FOREIGN_CORES):
            text = f"others used {display(others, 'cores')} of the {machine.cores} of {machine.node} meanwhile"
            yield finding("alone", "warning", text, **facts)
        if machine.stolen > STOLEN_SHARE * machine.cores:
            away = display(machine.stolen, "cores")
            text = f"the hypervisor gave {away} of the {machine.cores} of {machine.node} to others"
            yield finding("alone", "warning", text, **facts)


def light_watching(evidence: Evidence) -> Iterator[Finding]:
    """See that the watching itself took no more than a tenth of a node's cores (its cost is in the report, always)."""
    for machine in evidence.machines:
        if machine.watching > WATCHING_SHARE * machine.cores:
            text = (
                f"the watching used {display(machine.watching, 'cores')} of the {machine.cores} of {machine.node}: "
                "scrape less often (watch.interval), or leave exporters out"
            )
            facts = {"node": machine.node, "cores": machine.cores, "watching_cores": round(machine.watching, 3)}
            yield finding("light_watching", "warning", text, **facts)


def machines_well(evidence: Evidence) -> Iterator[Finding]:
    """Pass on what the run's alerts said of the machines while it was measured.

    A process that the kernel ended for want of memory, memory errors of a GPU that could not be corrected, and a GPU
    that no longer answers are INVALID: from then on it was another system. Heat that lowers clocks, a CPU quota that
    ran out, a GPU that is held and idle, Xid errors and the like are warnings.
    """
    found: dict[str, list[Firing]] = defaultdict(list)
    for alert in evidence.alerts or ():
        if alert.alert in SERIOUS and any(alert.start <= end and alert.end >= begin for begin, end in evidence.spans):
            found[alert.alert].append(alert)
    for name, fired in found.items():
        more = f" (and {len(fired) - 1} more like it)" if len(fired) > 1 else ""
        nodes = sorted({one.labels.get("node", "") for one in fired})
        seconds = round(max(one.end - one.start for one in fired), 3)
        yield finding(
            "machines_well", SERIOUS[name], f"{fired[0].text}{more}", alert=name, nodes=nodes, seconds=seconds
        )
