"""CPU of a scrape of our collectors, together and one by one, over that of node_exporter's."""

from benchmarks.exporters.scene import DESCRIPTION, RUN_ID, set_up
from benchmarks.exporters.stage import staged
from benchmarks.exporters.target import Target, check, cost, samples
from benchmarks.figures import Goal, Spread, show

_INTERVAL = 0.25
"""Seconds from turn to turn: long enough for the process collector's passes over threads, which rest 100 times as long
as they took, to be made at every scrape, as in a run."""

_SETTLED = 25
"""Turns before the first round: processes are looked at closely for the first 5 s that they are seen."""

_ALL = "process cgroup gpu lustre"


def run(*, short: bool) -> list[Goal]:
    """Measure and print."""
    rounds, scrapes = (3, 20) if short else (5, 100)
    with staged() as stage:
        scene = set_up(stage)
        node = stage.node_exporter("node_exporter")
        plain = stage.node_exporter("node_exporter, uncompressed", compressed=False)
        nothing = stage.folder / "nothing"
        nothing.mkdir()
        targets = [
            *(node, plain, scene.all(_ALL), scene.process_and_cgroup()),
            stage.sidecar("process", "process", "--run-id", RUN_ID),
            stage.sidecar("cgroup", "cgroup"),
            stage.sidecar("gpu", "gpu", *scene.gpu),
            stage.sidecar("lustre", "lustre", "--root", scene.root),
            # As near as one gets to a sidecar without a collector: what the server and its own health cost.
            stage.sidecar("lustre, no client there", "lustre", "--root", str(nothing)),
        ]
        check(targets[6].scrape(), "gpu_up")
        check(targets[7].scrape(), "lustre_client_up")
        cost(targets, _SETTLED, _INTERVAL, scene.lustre.advance)
        found = [cost(targets, scrapes, _INTERVAL, scene.lustre.advance) for _ in range(rounds)]
        sizes = {target.name: samples(target.scrape()) for target in targets}
    return _report(targets, found, sizes, f"{rounds} rounds of {scrapes} scrapes, one each {_INTERVAL:g} s, in turn")


def _report(targets: list[Target], found: list[dict[str, float]], sizes: dict[str, int], how: str) -> list[Goal]:
    node, plain = targets[0].name, targets[1].name
    rows = []
    for target in targets:
        own = Spread.of(one[target.name] for one in found)
        ratio = Spread.of(one[target.name] / one[node] for one in found)
        rows.append((target.name, str(sizes[target.name]), *own.cells(1e3), *ratio.cells()))
    head = ("sidecar", "samples", "ms min", "median", "max", "ratio min", "median", "max")
    show(f"CPU of a scrape, and its ratio to node_exporter's: {DESCRIPTION}; {how}", head, rows)
    against = (("as Prometheus asks it", node), ("asked for an uncompressed page", plain))
    return [
        Goal(
            f"all collectors over node_exporter, {text}, CPU of a scrape",
            1.0,
            "times",
            Spread.of(one[_ALL] / one[name] for one in found),
        )
        for text, name in against
    ]
