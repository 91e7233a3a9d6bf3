"""Made-up series of the exporters about themselves, of nodes of all kinds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reports.presence import Presence
from reports.sources import Source
from runs.manifest import Target
from tests.reports.recording import START, TARGETS, Curve, Recording, labelled, llm_curves, llm_rows

When = Callable[[int], bool]
Value = Callable[[int], float | None]


def always(_second: int) -> bool:
    """At each scrape."""
    return True


def never(_second: int) -> bool:
    """At no scrape."""
    return False


def but(*holes: range) -> When:
    """At all scrapes but those of some seconds."""
    return lambda second: not any(second in hole for hole in holes)


def sidecar(job: str, node: str) -> Target:
    """Make the target of a sidecar."""
    return Target(job=job, role="sidecar", node=node, instance=f"{node}:{len(job)}")


def up(target: Target, when: When = always) -> Curve:
    """Tell whether a target was scraped well."""
    return Curve("up", "gauge", labelled(target), lambda t: float(when(t)))


def gauge(target: Target, metric: str, value: Value, scraped: When = always, **labels: str) -> Curve:
    """Make a gauge that is there when the target was scraped."""
    return Curve(metric, "gauge", labelled(target, **labels), lambda t: value(t) if scraped(t) else None)


def counter(target: Target, metric: str, value: Value, scraped: When = always, **labels: str) -> Curve:
    """Make a counter likewise."""
    return Curve(metric, "counter", labelled(target, **labels), lambda t: value(t) if scraped(t) else None)


def flag(target: Target, metric: str, yes: When, why: str, scraped: When = always, **labels: str) -> Iterator[Curve]:
    """Make a metric that is 1, or 0 with a reason in a series of its own."""
    for reason, wanted in (("", True), (why, False)):
        yield gauge(
            target, metric, lambda t, w=wanted: float(w) if yes(t) == w else None, scraped, reason=reason, **labels
        )


def ours(
    target: Target,
    collectors: Mapping[str, When],
    scraped: When = always,
    *,
    timeouts: Mapping[str, Value] | None = None,
    malformed: Mapping[str, Value] | None = None,
) -> Iterator[Curve]:
    """Make what our exporter says of its collectors; a collector's errors count its failures."""
    yield up(target, scraped)
    for name, works in collectors.items():
        yield gauge(target, "exporter_collector_success", lambda t, w=works: float(w(t)), scraped, collector=name)
        missed = (timeouts or {}).get(name, lambda _t: 0.0)
        yield counter(target, "exporter_collector_timeouts_total", missed, scraped, collector=name)
        errors = 0.0 if name in (timeouts or {}) else None
        yield counter(
            target,
            "exporter_collector_errors_total",
            lambda t, w=works, e=errors: float(sum(not w(s) for s in range(-5, t + 1))) if e is None else e,
            scraped,
            collector=name,
        )
        unread = (malformed or {}).get(name, lambda _t: 0.0)
        yield counter(target, "exporter_parse_errors_total", unread, scraped, collector=name)


def others(target: Target, metric: str, collectors: Mapping[str, When], scraped: When = always) -> Iterator[Curve]:
    """Make what node_exporter or postgres_exporter says of its collectors."""
    yield up(target, scraped)
    for name, works in collectors.items():
        yield gauge(target, metric, lambda t, w=works: float(w(t)), scraped, collector=name)


def no_gpu(target: Target, scraped: When = always) -> Iterator[Curve]:
    """Make what our exporter says on a node without a GPU."""
    why = {"dcgm-exporter": "no --dcgm-url", "nvidia-smi": "not on PATH"}
    reason = "; ".join(f"{source}: {text}" for source, text in why.items())
    yield from flag(target, "gpu_up", never, reason, scraped)
    for source, text in why.items():
        yield gauge(target, "gpu_source_up", lambda _t: 0.0, scraped, source=source, reason=text)


def gpu(target: Target, age: Value, scraped: When = always, **absent: str) -> Iterator[Curve]:
    """Make what our exporter says of two GPUs; `absent` are figures that are not to be had, and why."""
    yield from flag(target, "gpu_up", always, "-", scraped)
    yield gauge(target, "gpu_source_up", lambda _t: 1.0, scraped, source="dcgm-exporter", reason="")
    yield gauge(target, "gpu_sample_age_seconds", age, scraped)
    for device in ("0", "1"):
        for field, why in absent.items():
            yield gauge(target, "gpu_field_absent", lambda _t: 1.0, scraped, gpu=device, field=field, reason=why)


def lustre(target: Target, up: When, why: str, scraped: When = always, **outcomes: str) -> Iterator[Curve]:
    """Make what our exporter says of Lustre; `outcomes` are those of the steps that were tried."""
    yield from flag(target, "lustre_client_up", up, why, scraped)
    yield gauge(target, "lustre_client_hanging_files", lambda _t: 0.0, scraped)
    for step, outcome in outcomes.items():
        yield gauge(target, "lustre_client_probe", lambda _t: 1.0, scraped, step=step, outcome=outcome)


def postgres(target: Target, reached: When = always, **collectors: When) -> Iterator[Curve]:
    """Make what postgres_exporter 0.11.1 says; where PostgreSQL cannot be reached all collectors fail."""
    yield up(target)
    yield gauge(target, "pg_up", lambda t: float(reached(t)))
    yield gauge(target, "pg_exporter_last_scrape_error", lambda t: float(not reached(t)))
    for name, works in collectors.items():
        yield gauge(
            target, "pg_scrape_collector_success", lambda t, w=works: float(w(t) and reached(t)), collector=name
        )


ODD = 'it said "no" \\ and\nthen {more}, <b>twice</b>'
"""A reason with all that needs an escape somewhere."""


def four_nodes() -> Recording:
    """Make a run on four nodes, of which each has troubles of its own; the first is llm's."""
    llm, load, node, first = TARGETS
    second, third, fourth = (sidecar("exporter", name) for name in ("n1", "n2", "n3"))
    nodes = [node, *(sidecar("node", name) for name in ("n1", "n2", "n3"))]
    database = sidecar("vectors-exporter", "n1")
    good = dict.fromkeys(("cgroup", "process", "gpu", "lustre", "otlp"), always)
    gone = but(range(20, 99))
    curves = [curve for curve in llm_curves() if curve.metric != "up"]
    curves += [up(llm), up(load)]
    # n0: figures refused, a page that goes, points dropped.
    curves += ours(first, good | {"page": always}, malformed={"process": lambda t: float(max(0, t - 20))})
    refused = {"dram_active_ratio": "refused", "tensor_active_ratio": "refused", "nvlink_transmit": "not offered"}
    curves += gpu(first, lambda t: t % 2 + 0.25, **refused)
    curves.append(counter(first, "gpu_implausible_values_total", lambda t: 3.0 if t > 7 else None, field="power_watts"))
    curves += lustre(first, always, "", proc="statistics", debugfs="refused", lctl="not needed")
    curves += flag(first, "page_up", but(range(10, 20)), ODD, page="llm")
    curves.append(gauge(first, "otlp_up", lambda _t: 1.0))
    # It fell: our exporter began anew at 15.
    requests = {("metrics", "200"): lambda t: float(t + 6), ("traces", "401"): lambda t: float(t % 15)}
    for (signal, code), value in requests.items():
        curves.append(counter(first, "otlp_requests_total", value, but(range(-9, 1)), signal=signal, code=code))
    dropped = but(range(-9, 30))
    curves.append(counter(first, "otlp_points_dropped_total", lambda _t: 12.0, dropped, reason="cardinality"))
    # n1: a GPU whose values stand still, PostgreSQL 18 with an exporter that knows 16.
    curves += ours(second, good)
    curves += gpu(second, lambda t: max(0.1, t - 15.0))
    curves += lustre(second, never, "no Lustre client on this node", proc="missing", debugfs="refused")
    curves.append(gauge(second, "otlp_up", lambda _t: 1.0))
    curves += postgres(database, bgwriter=never, database=always)
    # n2: its exporter dies.
    curves += ours(third, good, gone)
    curves += no_gpu(third, gone)
    curves += lustre(third, never, "no Lustre client on this node", gone)
    curves.append(gauge(third, "otlp_up", lambda _t: 1.0, gone))
    # n3: a file system that hangs.
    hangs = but(range(12, 22))
    curves += ours(fourth, good | {"lustre": hangs}, timeouts={"lustre": lambda t: float(min(max(0, t - 11), 10))})
    curves += no_gpu(fourth)
    curves += lustre(fourth, always, "", hangs)
    curves.append(gauge(fourth, "otlp_up", lambda _t: 1.0))
    names = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "stat", "vmstat")
    for target in nodes:
        parts = dict.fromkeys(names, always) | {"infiniband": never}
        curves += others(
            target, "node_scrape_collector_success", parts | ({"nfs": but(range(9, 11))} if target is node else {})
        )
    targets = [llm, load, first, second, third, fourth, *nodes, database]
    return Recording(llm_rows(), curves, {"targets": targets})


def source(collector: str, node: str = "n0", job: str = "exporter", **changes: Any) -> Source:
    """Make a source that was there all the time."""
    good = Presence(30, 30, 1.0, 0, 1.0, START.timestamp() + 6)
    return Source(**{"target": sidecar(job, node), "collector": collector, "measured": good, "whole": good} | changes)
