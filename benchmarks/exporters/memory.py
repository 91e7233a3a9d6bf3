"""Memory of a sidecar after a while, by what is loaded into it."""

import http.client
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.exporters.otlp_body import otlp_body
from benchmarks.exporters.scene import DESCRIPTION, Scene, set_up
from benchmarks.exporters.stage import staged
from benchmarks.exporters.target import Target, bearer, cost
from benchmarks.figures import Goal, Spread, show
from benchmarks.meter import Memory, memory

_MB = 1e6
_EXPORTS = 100


@dataclass(frozen=True)
class _Kind:
    """A way to start a sidecar; `goal` says whether the goal is for it."""

    name: str
    start: Callable[[Scene], Target]
    goal: bool = True


def _otlp(scene: Scene) -> Target:
    return scene.all("otlp", "otlp", *scene.stage.otlp())


def _otlp_grpc(scene: Scene) -> Target:
    return scene.all("otlp-grpc", "otlp", *scene.stage.otlp(grpc=True))


def _otlp_busy(scene: Scene) -> Target:
    options = scene.stage.otlp()
    target = scene.all("otlp-busy", "otlp", *options)
    connection = http.client.HTTPConnection(options[1], timeout=10)
    headers = {"Authorization": bearer(scene.stage.token_file), "Content-Type": "application/x-protobuf"}
    for number in range(_EXPORTS):
        connection.request("POST", "/v1/metrics", otlp_body(number), headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == http.client.OK, f"otlp answers {answer.status}"
    connection.close()
    return target


_KINDS = (
    _Kind("process cgroup", Scene.process_and_cgroup),
    _Kind("process cgroup gpu lustre", lambda scene: scene.all("all")),
    _Kind("process cgroup gpu lustre otlp", _otlp),
    _Kind(f"the same after {_EXPORTS} exports", _otlp_busy),
    _Kind("the same with OTLP/gRPC", _otlp_grpc, goal=False),
    _Kind("node_exporter", lambda scene: scene.stage.node_exporter(), goal=False),
)


def run(*, short: bool) -> list[Goal]:
    """Measure and print."""
    rounds, scrapes = (1, 50) if short else (3, 600)
    first: dict[str, list[Memory]] = {kind.name: [] for kind in _KINDS}
    last: dict[str, list[Memory]] = {kind.name: [] for kind in _KINDS}
    for _ in range(rounds):
        for kind in _KINDS:
            # One at a time: sidecars beside one another would share pages, and PSS would flatter each.
            with staged() as stage:
                scene = set_up(stage)
                target = kind.start(scene)
                target.scrape()
                first[kind.name].append(memory(target.pid))
                cost([target], scrapes, 0.0, scene.lustre.advance)
                last[kind.name].append(memory(target.pid))
    rows = []
    for kind in _KINDS:
        begun = Spread.of(one.resident for one in first[kind.name]).cells(1 / _MB, 1)
        resident = Spread.of(one.resident for one in last[kind.name]).cells(1 / _MB, 1)
        parts = [_middle([getattr(one, name) for one in last[kind.name]]) for name in ("proportional", "private")]
        rows.append((kind.name, begun[1], *resident, *parts))
    head = ("sidecar", "RSS at first", "RSS min", "median", "max", "PSS", "private")
    show(f"MB (10^6 bytes) after {scrapes} scrapes of {DESCRIPTION}; {rounds} of each kind, one at a time", head, rows)
    return [
        Goal(f"memory (RSS), {kind.name}", 45.0, "MB", Spread.of(one.resident / _MB for one in last[kind.name]))
        for kind in _KINDS
        if kind.goal
    ]


def _middle(values: list[int | None]) -> str:
    """Return the median in MB; a dash where the kernel did not tell."""
    known = [value for value in values if value is not None]
    return Spread.of(known).cells(1 / _MB, 1)[1] if known else "-"
