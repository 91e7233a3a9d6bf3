"""CPU time of the nodes in the measured phases: the run's own programs, those that watch, and everybody else."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reports.presence import Span
from reports.scrapes import Recorded


@dataclass(frozen=True)
class Machine:
    """A node's CPUs in the measured phases, means in cores.

    `ours` is what the run's programs used, `watching` what those of them did that watch; `stolen` is what the
    hypervisor gave to others.
    """

    node: str
    cores: int
    busy: float
    ours: float
    watching: float
    stolen: float


def gather(recorded: Recorded | None, phases: Sequence[Span], watchers: Collection[str]) -> tuple[Machine, ...]:
    """Return the nodes of which both node_exporter and our `process` tell; `watchers` are programs by name.

    Raises PrometheusError.
    """
    seconds = sum(end - begin for begin, end in phases)
    if recorded is None or seconds <= 0:
        return ()
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    cores: dict[str, int] = {}
    for begin, end in phases:
        window = f"[{max(1, round(1000 * (end - begin)))}ms]"
        for series in recorded.query(f"sum by (node, mode) (increase(node_cpu_seconds_total{window}))", end):
            sums[series.labels.get("node", "")][series.labels.get("mode", "")] += float(series.values[-1])
        for series in recorded.query(f"sum by (node, service) (increase(process_tree_cpu_seconds_total{window}))", end):
            name = series.labels.get("service", "")
            for part in ("ours", *(["watching"] if name in watchers else [])):
                sums[series.labels.get("node", "")][part] += float(series.values[-1])
        for series in recorded.query('count by (node) (node_cpu_seconds_total{mode="idle"})', end):
            cores[series.labels.get("node", "")] = round(float(series.values[-1]))
    return tuple(
        Machine(
            node=node,
            cores=cores[node],
            busy=sum(told.get(mode, 0.0) for mode in ("user", "nice", "system")) / seconds,
            ours=told["ours"] / seconds,
            watching=told.get("watching", 0.0) / seconds,
            stolen=told.get("steal", 0.0) / seconds,
        )
        for node, told in sorted(sums.items())
        if node in cores and "ours" in told
    )
