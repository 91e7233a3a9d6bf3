"""Moments of runs, made up, for the screens that are kept as golden files."""

import math
from dataclasses import replace

from dashcam.view.facts import (
    Alert,
    Down,
    Facts,
    FileSystem,
    Load,
    Machine,
    Service,
    Stretch,
    Targets,
)  # fmt: skip

_WAVE = tuple(14.0 + 2.0 * math.sin(second / 5) for second in range(60))

STEADY = Facts(
    id="20261125-060223-demo-e96f",
    state="running",
    running=True,
    spent=23.4,
    whole=35.0,
    phases=(Stretch("warmup", "done"), Stretch("steady", "now", 11.6, 0.613)),
    load=Load(
        asked=14.0, done=13.8, latency_p50=0.0171, latency_p99=0.0547, ttft_p50=0.0115, ttft_p99=0.0232,
        late_p99=0.00243, in_flight=1, ended=262, failed=0, tokens_in=1034.4, tokens_out=224.5,
    ),
    history={
        "asked": (5.0,) * 5 + (14.0,) * 18,
        "done": (None, *(5.0,) * 4, *_WAVE[:18]),
        "latency_p50": tuple(0.017 + 0.001 * (second % 3) for second in range(23)),
        "latency_p99": tuple(0.03 + 0.0012 * second for second in range(23)),
        "ttft_p50": (0.0115,) * 23,
        "ttft_p99": tuple(0.02 + 0.001 * (second % 5) for second in range(23)),
    },
    services=(
        Service(
            "llm", rate=13.9, errors=0.0, p50=0.0166, p99=0.0520, queue=0, running=1, full=0.25,
            tokens_in=1020.0, tokens_out=219.0,
        ),
    ),
    machines=(Machine("vm", 0.634, 0.412, 1.3e6, 3.5e6, 12_000, 8_100),),
    targets=Targets(4, 4),
    notes=("llm: the model's weights are random; its speed says nothing about a trained model",),
    places=("Prometheus http://127.0.0.1:30390",),
)  # fmt: skip
"""All is well."""

SICK = replace(
    STEADY,
    id="20261125-091500-rag-large-0c1d",
    phases=(
        Stretch("warmup", "done"), *(Stretch(f"stairs-{step}", "done") for step in range(1, 9)),
        Stretch("stairs-9", "now", 3723.0, 0.2), *(Stretch(f"stairs-{step}", "next") for step in range(10, 21)),
    ),
    load=replace(
        STEADY.load, done=2.1, latency_p99=31.2, ended=12_345, failed=678, in_flight=1_024,
        errors=(("timeout", 600.0), ("http_503", 70.0), ("connection_refused", 8.0)),
    ),
    services=(
        Service("llm", rate=2.1, errors=0.051, p50=12.1, p99=30.9, queue=873, running=128, full=0.994),
        Service("vectors", rate=4.0, errors=0.0, p50=0.0021, p99=0.0083),
        Service("documents", queue=2),
    ),
    machines=tuple(
        Machine(
            f"mel{2345 + index}", 0.31 * index, 0.99 - 0.2 * index, 1.2e9, 3.4e8, 2.1e9, 9.9e8,
            gpus=(0.99, 0.5, 0.0, 0.75), gpu_memory=0.93, gpu_watts=1234.0,
        )
        for index in range(4)
    ),
    file_systems=(FileSystem("scratch", 4.2e9, 1.1e6, 15_300.0), FileSystem("project", 0.0, 0.0, 3.2)),
    alerts=(
        Alert("QueueGrowing", "warning", "llm on mel2345"), Alert("KvCacheFull", "critical", "llm on mel2345"),
    ),
    targets=Targets(
        12, 10,
        (
            Down("exporter", "mel2346", 'Get "http://10.0.0.2:9100/metrics": dial tcp: connect: connection refused'),
            Down("node", "mel2347", "context deadline exceeded"),
        ),
    ),
    notes=(*STEADY.notes, "exporter-1 (sidecar) died: signal SIGKILL; the run went on without it"),
)  # fmt: skip
"""Much goes wrong at once, on four nodes."""

STARTING = Facts(
    id="20261125-060223-demo-e96f",
    state="starts its programs, 3 of 5 ready",
    phases=(Stretch("warmup", "next"), Stretch("steady", "next")),
    targets=Targets(4),
    notes=STEADY.notes,
)

ALONE = replace(
    STEADY,
    load=Load(asked=14.0, done=13.8, latency_p50=0.0171, latency_p99=0.0547, in_flight=1, ended=262, failed=0),
    services=(),
    machines=(),
    targets=Targets(4),
    trouble="Prometheus has not answered for 12 s (connection refused): the load's own figures",
)
"""Prometheus is gone."""

CLOSED = replace(STEADY, load=replace(STEADY.load, asked=None, users=16), history={})
"""A closed loop that has just begun."""

STATES = {"steady": STEADY, "sick": SICK, "starting": STARTING, "alone": ALONE, "closed": CLOSED}
