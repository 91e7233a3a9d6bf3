"""One look into the run's Prometheus: two queries, a third where a target is down, and a fourth the first time."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dashcam.view import questions
from dashcam.view.facts import Alert, Down, FileSystem, Load, Machine, Numbers, Service, Targets
from dashcam.view.questions import LINES, Question
from prometheus.client import Client, PrometheusError, Series

HISTORY = 120
"""Seconds of the past that are fetched when a view begins, so that one that comes late has its lines at once."""

_SEVERITIES = ("critical", "warning", "info")

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Measures:
    """The answers of a look: for each fact, labels and value. Values that are no numbers are left out."""

    values: Mapping[str, tuple[tuple[Labels, float], ...]] = field(default_factory=dict)
    down: tuple[Down, ...] = ()

    def one(self, fact: str) -> float | None:
        """Return the value of a fact that has one."""
        found = self.values.get(fact, ())
        return found[0][1] if found else None

    def by(self, fact: str, label: str) -> dict[str, float]:
        """Return the values of a fact by a label."""
        return {labels.get(label, ""): value for labels, value in self.values.get(fact, ())}

    def load(self) -> Load:
        """Return what the client sees."""
        ended = self.by("ended", "outcome")
        kinds = sorted(self.by("errors", "kind").items(), key=lambda pair: (-pair[1], pair[0]))
        return Load(
            asked=self.one("asked"),
            done=self.one("done"),
            latency_p50=self.one("latency_p50"),
            latency_p99=self.one("latency_p99"),
            ttft_p50=self.one("ttft_p50"),
            ttft_p99=self.one("ttft_p99"),
            late_p99=self.one("late_p99"),
            in_flight=self.one("in_flight"),
            users=self.one("users"),
            ended=sum(ended.values()) if ended else None,
            failed=ended.get("error", 0.0) if ended else None,
            tokens_in=self.one("tokens_in"),
            tokens_out=self.one("tokens_out"),
            errors=tuple((kind, count) for kind, count in kinds if count),
        )

    def services(self, names: Iterable[str]) -> tuple[Service, ...]:
        """Return what the services of these names say of themselves."""
        facts = ("rate", "error_ratio", "p50", "p99", "queue", "running", "full", "served_in", "served_out")
        columns = [self.by(fact, "job") for fact in facts]
        return tuple(Service(name, *(column.get(name) for column in columns)) for name in names)

    def machines(self) -> tuple[Machine, ...]:
        """Return the nodes by name; of many, their mean and highest."""
        cpu, memory = self.by("cpu", "node"), self.by("memory", "node")
        read, written = self.by("disk_read", "node"), self.by("disk_write", "node")
        received, sent = self.by("network_receive", "node"), self.by("network_transmit", "node")
        gpu_memory, watts = self.by("gpu_memory", "node"), self.by("gpu_watts", "node")
        gpus: dict[str, list[tuple[str, float]]] = {}
        for labels, value in self.values.get("gpu", ()):
            gpus.setdefault(labels.get("node", ""), []).append((labels.get("gpu", ""), value))
        return tuple(
            Machine(
                name,
                cpu=cpu.get(name),
                memory=memory.get(name),
                disk_read=read.get(name),
                disk_written=written.get(name),
                received=received.get(name),
                sent=sent.get(name),
                gpus=tuple(value for _, value in sorted(gpus.get(name, []), key=lambda gpu: (len(gpu[0]), gpu[0]))),
                gpu_memory=gpu_memory.get(name),
                gpu_watts=watts.get(name),
            )
            for name in sorted({*cpu, *memory, *read, *received, *gpus})
        )

    def file_systems(self) -> tuple[FileSystem, ...]:
        """Return the Lustre file systems by name."""
        columns = [self.by(fact, "fs") for fact in ("lustre_read", "lustre_write", "lustre_ops")]
        names = sorted({name for column in columns for name in column})
        return tuple(FileSystem(name, *(column.get(name) for column in columns)) for name in names)

    def alerts(self) -> tuple[Alert, ...]:
        """Return the alerts that fire, one for each name with all its places."""
        found: dict[tuple[str, str], set[str]] = {}
        for labels, _value in self.values.get("alert", ()):
            place = " on ".join(filter(None, (labels.get("job"), labels.get("node"))))
            found.setdefault((labels.get("severity", ""), labels["alertname"]), set()).add(place)
        return tuple(
            Alert(name, severity, ", ".join(sorted(filter(None, places))))
            for (severity, name), places in sorted(found.items(), key=_rank)
        )

    def targets(self, expected: int) -> Targets:
        """Return the health of the targets."""
        up = self.one("up")
        return Targets(expected, None if up is None else round(up), self.down)


class Observer:
    """Looks into one Prometheus again and again; remembers which facts it has by rule, and errors of targets."""

    def __init__(self, client: Client, nodes: int, interval: float) -> None:
        self._client = client
        self._window = questions.window(interval)
        self._step = max(1.0, interval)
        self._all = questions.questions(nodes)
        self._by_rule: set[str] = set()
        self._errors: dict[tuple[str, str], str] = {}
        self._asked_targets = -math.inf

    def look(self) -> Measures:
        """Ask everything. Raises PrometheusError."""
        values = self._ask((q.fact, q.rule or self._raw(q)) for q in self._all)
        self._by_rule |= set(values)
        missing = [q for q in self._all if q.rule and q.raw and q.fact not in self._by_rule]
        if missing:
            values |= self._ask((q.fact, self._raw(q)) for q in missing)
        return Measures(values, self._down(values.get("down", ())))

    def past(self, seconds: float = HISTORY) -> dict[str, Numbers]:
        """Return the last values of the load's lines, one a second, newest last. Raises PrometheusError."""
        parts = [
            (q.fact, q.rule if q.fact in self._by_rule else self._raw(q))
            for q in self._all
            if q.fact in LINES and q.raw
        ]
        end = time.time()
        found: dict[str, Numbers] = {}
        for series in self._client.query_range(questions.together(parts), end - seconds, end, self._step):
            places = (end - series.times).round().astype(int)
            line: list[float | None] = [None] * (int(seconds) + 1)
            for place, value in zip(places, series.values, strict=True):
                for second in range(place, max(-1, place - int(self._step)), -1):
                    line[len(line) - 1 - second] = _number(float(value))
            found[series.labels.get("fact", "")] = tuple(line)
        return found

    def _raw(self, question: Question) -> str:
        return question.raw.replace("$w", self._window)

    def _ask(self, parts: Iterable[tuple[str, str]]) -> dict[str, tuple[tuple[Labels, float], ...]]:
        found: dict[str, list[tuple[Labels, float]]] = {}
        for series in self._client.query(questions.together(parts)):
            value = _last(series)
            if value is not None:
                found.setdefault(series.labels.get("fact", ""), []).append((series.labels, value))
        return {fact: tuple(rows) for fact, rows in found.items()}

    def _down(self, rows: Iterable[tuple[Labels, float]]) -> tuple[Down, ...]:
        """Name the targets that are down, with the errors as last heard: the list of targets is long, so ask rarely."""
        keys = [(labels.get("job", ""), labels.get("node", ""), labels.get("instance", "")) for labels, _ in rows]
        unknown = any((job, instance) not in self._errors for job, _node, instance in keys)
        if keys and unknown and time.monotonic() - self._asked_targets > self._step * 5:
            self._asked_targets = time.monotonic()
            try:
                targets = self._client.targets()
            except PrometheusError:
                targets = []
            self._errors = {(t.job, t.labels.get("instance", "")): t.last_error for t in targets if t.health == "down"}
        return tuple(Down(job, node, self._errors.get((job, instance), "")) for job, node, instance in sorted(keys))


def _rank(item: tuple[tuple[str, str], set[str]]) -> tuple[int, str]:
    """Put the worst first."""
    severity, name = item[0]
    return (_SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)), name


def _last(series: Series) -> float | None:
    return _number(float(series.values[-1])) if len(series.values) else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
