"""All sidecars of a node, scraped each second as in a run: their share of one core."""

from benchmarks.exporters.scene import DESCRIPTION, set_up
from benchmarks.exporters.stage import staged
from benchmarks.exporters.target import Target, cost
from benchmarks.figures import Goal, Spread, show

_INTERVAL = 1.0
_WINDOW = 10
"""Seconds, and scrapes, of a window: the spread is that of the windows."""

_SETTLED = 6
_GOAL = 1.0


def run(*, short: bool) -> list[Goal]:
    """Measure and print."""
    windows = 2 if short else 6
    with staged() as stage:
        scene = set_up(stage)
        whole = scene.all("process cgroup gpu lustre otlp", "otlp", *stage.otlp())
        usual = scene.process_and_cgroup()
        node = stage.node_exporter()
        targets = [whole, node, usual]
        cost(targets, _SETTLED, _INTERVAL, scene.lustre.advance)
        found = [cost(targets, _WINDOW, _INTERVAL, scene.lustre.advance) for _ in range(windows)]
    both = [[one[whole.name] + one[node.name], one[usual.name] + one[node.name]] for one in found]
    rows = [_row(target, found) for target in targets]
    rows.append(("all collectors and node_exporter", *Spread.of(pair[0] for pair in both).cells(100)))
    rows.append(("process, cgroup and node_exporter", *Spread.of(pair[1] for pair in both).cells(100)))
    title = (
        f"Percent of one core at a scrape a second: {DESCRIPTION}, no OTLP traffic; {windows} windows of {_WINDOW} s"
    )
    show(title, ("sidecar", "min", "median", "max"), rows)
    told = "percent of a core"
    return [
        Goal("all sidecars at 1 s, otlp idle", _GOAL, told, Spread.of(pair[0] * 100 for pair in both)),
        Goal("process, cgroup and node_exporter at 1 s", _GOAL, told, Spread.of(pair[1] * 100 for pair in both)),
    ]


def _row(target: Target, found: list[dict[str, float]]) -> tuple[str, ...]:
    return (target.name, *Spread.of(one[target.name] for one in found).cells(100))
