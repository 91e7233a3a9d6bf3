"""What the view asks Prometheus: all of it in one query, a second one for what the recording rules do not give.

Each question has an expression over recording rules, and a raw one where that is simple, for a Prometheus without those
rules. Answers come back in one vector, told apart by the label `fact`: `or` drops series whose labels are equal, and
leaves the metric's name out of that.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MANY = 16
"""Nodes from which on means and highest values are asked for, in place of each node's."""


@dataclass(frozen=True)
class Question:
    """A fact with its expressions: over rules, and over what is scraped ($w: window of a rate). "" is no way."""

    fact: str
    rule: str = ""
    raw: str = ""


def _direction(metric: str, fact: str, words: tuple[str, str], by: str, raw: tuple[str, str]) -> tuple[Question, ...]:
    """Return the two questions of a rate that goes both ways."""
    return tuple(
        Question(f"{fact}_{word}", f'sum by ({by}) ({metric}{{direction=~"{word}|{other}"}})', text)
        for word, other, text in zip(words, ("in", "out"), raw, strict=True)
    )


def _quantile(share: float, metric: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket[$w])))"


def _rate(metric: str, by: str, where: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{where}[$w]))"


_LOAD = (
    Question("asked", "sum(load:rate_asked)", "sum(load_rate_asked)"),
    Question("done", "sum(load:request_rate)", "sum(rate(load_requests_total[$w]))"),
    *(
        Question(f"{fact}_{name}", f"max(load:{fact}_seconds:{name})", _quantile(share, f"load_{metric}_seconds"))
        for fact, metric in (("latency", "request_duration"), ("ttft", "time_to_first_token"))
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ),
    Question("late_p99", "max(load:lag_seconds:p99)", _quantile(0.99, "load_client_lag_seconds")),
    Question("in_flight", "sum(load:in_flight)", "sum(load_requests_in_flight)"),
    Question("users", "", "sum(load_users) > 0"),
    Question("ended", "", "sum by (outcome) (load_requests_total)"),
    Question("errors", "", "sum by (kind) (load_errors_total)"),
    *_direction("load:tokens_rate", "tokens", ("in", "out"), "run_id", (
        'sum by (run_id) (rate(load_tokens_total{direction="in"}[$w]))',
        'sum by (run_id) (rate(load_tokens_total{direction="out"}[$w]))',
    )),
)  # fmt: skip

_SERVICES = (
    Question("rate", "sum by (job) (service:request_rate)"),
    Question("error_ratio", "max by (job) (service:error_ratio)"),
    Question("p50", "max by (job) (service:latency_seconds:p50 or service:latency_seconds:mean)"),
    Question("p99", "max by (job) (service:latency_seconds:p99)"),
    Question(
        "queue",
        "sum by (job) (service:queue_depth)",
        "sum by (job) (llamacpp:requests_deferred or vllm:num_requests_waiting)",
    ),
    Question(
        "running",
        "sum by (job) (service:running_requests)",
        "sum by (job) (llamacpp:requests_processing or vllm:num_requests_running)",
    ),
    Question("full", "max by (job) (service:saturation_ratio)"),
    Question(
        "served_in",
        'sum by (job) (service:tokens_rate{direction="in"})',
        _rate("llamacpp:prompt_tokens_total", "job"),
    ),
    Question(
        "served_out",
        'sum by (job) (service:tokens_rate{direction="out"})',
        _rate("llamacpp:tokens_predicted_total", "job"),
    ),
)

_MACHINES = (
    Question(
        "cpu",
        "max by (node) (node:cpu_busy_ratio)",
        '1 - avg by (node) (rate(node_cpu_seconds_total{mode="idle"}[$w]))',
    ),
    Question(
        "memory",
        "max by (node) (node:memory_used_ratio)",
        "1 - max by (node) (node_memory_MemAvailable_bytes) / max by (node) (node_memory_MemTotal_bytes)",
    ),
    *_direction("node:disk_bytes_rate", "disk", ("read", "write"), "node", (
        _rate("node_disk_read_bytes_total", "node"), _rate("node_disk_written_bytes_total", "node"),
    )),
    *_direction("node:network_bytes_rate", "network", ("receive", "transmit"), "node", (
        _rate("node_network_receive_bytes_total", "node", '{device!="lo"}'),
        _rate("node_network_transmit_bytes_total", "node", '{device!="lo"}'),
    )),
    Question(
        "gpu_memory",
        "max by (node) (gpu:memory_used_ratio)",
        "sum by (node) (gpu_memory_used_bytes) / sum by (node) (gpu_memory_total_bytes)",
    ),
    Question("gpu_watts", "sum by (node) (gpu:power_watts)", "sum by (node) (gpu_power_watts)"),
)  # fmt: skip
"""One value a node."""

_GPUS = Question("gpu", "max by (node, gpu) (gpu:utilization_ratio)", "max by (node, gpu) (gpu_utilization_ratio)")

_LUSTRE = (
    *_direction("lustre:bytes_rate", "lustre", ("read", "write"), "fs", (
        _rate("lustre_client_read_bytes_total", "fs"), _rate("lustre_client_write_bytes_total", "fs"),
    )),
    Question("lustre_ops", "sum by (fs) (lustre:operations_rate)", _rate("lustre_client_operations_total", "fs")),
)  # fmt: skip

_HEALTH = (
    Question("up", "sum(up)"),
    Question("down", "up == 0"),
    Question("alert", 'max by (alertname, severity, job, node) (ALERTS{alertstate="firing"})'),
)

LINES = ("asked", "done", "latency_p50", "latency_p99", "ttft_p50", "ttft_p99")
"""The facts of the load that are drawn over time."""


def questions(nodes: int) -> tuple[Question, ...]:
    """Return what is asked of a run with so many nodes."""
    machines = _MACHINES if nodes <= MANY else tuple(part for one in _MACHINES for part in _summed(one))
    gpus = (_GPUS,) if nodes <= MANY else tuple(_summed(_GPUS))
    return (*_LOAD, *_SERVICES, *machines, *gpus, *_LUSTRE, *_HEALTH)


def _summed(question: Question) -> Iterable[Question]:
    """Ask for the mean and the highest value over all nodes, as if these were two nodes."""
    for node, function in (("mean", "avg"), ("most", "max")):
        texts = [
            f'label_replace({function}({text}), "node", "{node}", "", "")' if text else ""
            for text in (question.rule, question.raw)
        ]
        yield Question(question.fact, *texts)


def together(parts: Iterable[tuple[str, str]]) -> str:
    """Make one query of (fact, expression) pairs."""
    return " or ".join(f'label_replace({text}, "fact", "{fact}", "", "")' for fact, text in parts)


def window(interval: float) -> str:
    """Return the window of a rate for targets that are scraped each `interval` seconds, as the rules have it."""
    return f"{round(1000 * max(4 * interval, 4.0))}ms"
