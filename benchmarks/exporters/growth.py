"""How the cost of a scrape grows with what there is to watch: processes, GPUs, Lustre file systems."""

from pathlib import Path

from benchmarks.exporters.gpu_page import gpu_pages
from benchmarks.exporters.lustre_tree import MDTS, OSTS, LustreTree
from benchmarks.exporters.stage import Stage, staged
from benchmarks.exporters.target import Target, check, cost, samples
from benchmarks.figures import Goal, Spread, show

_PROCESSES = (10, 100, 1000)
_GPUS = _MOUNTS = (1, 4, 16)
_INTERVAL = 1.0
"""Seconds between scrapes, as in a run: what is done by the clock (strangers are looked at again each 30 s) must fall
upon as many scrapes as there."""

_SETTLED = 6
"""Turns: a process is looked at closely for 5 s. Measured apart, as what the start of a service costs."""

_WATCHED, _OTHERS = "run-a", "run-b"


def run(*, short: bool) -> list[Goal]:
    """Measure and print; there are no goals."""
    _processes(*((1, 5) if short else (3, 15)))
    _devices(*((1, 10) if short else (3, 30)))
    return []


def _processes(rounds: int, scrapes: int) -> None:
    """Have one sidecar watch ten processes beside N strangers, and another the N beside the ten."""
    found: dict[tuple[int, str, str], list[float]] = {}
    there: dict[int, int] = {}
    for _ in range(rounds):
        for count in _PROCESSES:
            with staged() as stage:
                stage.tree(_WATCHED, "small", 10)
                stage.tree(_OTHERS, "large", count)
                targets = [stage.sidecar(run_id, "process", "--run-id", run_id) for run_id in (_WATCHED, _OTHERS)]
                there[count] = sum(entry.name.isdecimal() for entry in Path("/proc").iterdir())
                for phase, turns in (("first", _SETTLED), ("later", scrapes)):
                    for name, seconds in cost(targets, turns, _INTERVAL).items():
                        found.setdefault((count, name, phase), []).append(seconds)
                for target in targets:
                    check(target.scrape())
    rows = []
    for run_id in (_WATCHED, _OTHERS):
        for count in _PROCESSES:
            watched = 10 if run_id == _WATCHED else count
            later = Spread.of(found[count, run_id, "later"]).cells(1e3)
            young = Spread.of(found[count, run_id, "first"]).cells(1e3)[1]
            rows.append((f"{watched} of {there[count]}", *later, young))
    title = (
        f"CPU of a scrape of `process`, each second; {rounds} rounds of {scrapes} scrapes, after the first {_SETTLED}"
    )
    show(title, ("watched processes", "ms min", "median", "max", f"first {_SETTLED}"), rows)


def _devices(rounds: int, scrapes: int) -> None:
    """Scrape sidecars of one, four and sixteen GPUs and file systems in turn."""
    with staged() as stage:
        trees = [LustreTree(stage.folder / f"lustre{count}", count) for count in _MOUNTS]
        targets = [_gpu(stage, count) for count in _GPUS] + [_lustre(stage, tree) for tree in trees]

        def advance() -> None:
            for tree in trees:
                tree.advance()

        cost(targets, 3, 0.0)
        found = [cost(targets, scrapes, _INTERVAL / 2, advance) for _ in range(rounds)]
        rows = [
            (
                target.name,
                str(samples(target.scrape())),
                *Spread.of(one[target.name] for one in found).cells(1e3),
            )
            for target in targets
        ]
    title = f"CPU of a scrape of `gpu` and `lustre`; file systems of {OSTS} OSTs and {MDTS} MDTs; {rounds} rounds"
    show(f"{title} of {scrapes} scrapes, in turn", ("watched", "samples", "ms min", "median", "max"), rows)


def _gpu(stage: Stage, count: int) -> Target:
    target = stage.sidecar(f"GPUs: {count}", "gpu", *stage.pages(gpu_pages(count)))
    check(target.scrape(), "gpu_up")
    return target


def _lustre(stage: Stage, tree: LustreTree) -> Target:
    tree.write()
    target = stage.sidecar(f"Lustre file systems: {tree.mounts}", "lustre", "--root", str(tree.root))
    check(target.scrape(), "lustre_client_up")
    return target
