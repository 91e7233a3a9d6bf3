"""The client's curves from the records: exact, where its histograms could only interpolate between bounds."""

from collections.abc import Iterator

import numpy as np

from reports.evidence import Evidence
from reports.requests import Requests
from reports.series import Chart, Grid, Line
from reports.statistics import Floats, nearest_rank

_SPANS = (
    ("Latency", "from the intended time to the end of the answer", "intended", "done"),
    ("Time to first token", "from the intended time to the first content", "intended", "first_token"),
    ("Service time", "from the sending to the end of the answer", "sent", "done"),
)


def charts(evidence: Evidence, grid: Grid) -> Iterator[Chart]:
    """Yield requests, times, lag and recall step by step. A step without requests is a gap."""
    requests = evidence.requests
    if not len(requests) or not len(grid.times):
        return
    edges = np.append(grid.times, grid.times[-1] + grid.step)
    each = "each second" if grid.step == 1.0 else f"each {grid.step:g} s"
    good = requests.good
    at = good.at("intended")
    yield _rates(evidence, grid, edges)
    for title, what, first, last in _SPANS:
        spans = good.between(first, last)
        if not np.isnan(spans).all():
            text = f"Exact, from the records, by intended time {each}: {what}."
            yield Chart(title, "s", text, _percentiles(at, spans, edges))
    if len(good.gaps):
        text = f"Exact, from the records, by the request's intended time {each}: between two pieces of content."
        lines = _percentiles(np.repeat(at, good.gap_counts), good.gaps, edges)
        yield Chart("Inter-token gaps", "s", text, lines)
    lag = requests.between("intended", "sent")
    if not np.isnan(lag).all():
        text = f"Exact, from the records, by intended time {each}: until the sending, the client's own delay."
        yield Chart("Client lag", "s", text, _percentiles(requests.at("intended"), lag, edges))
    if not np.isnan(good.recall).all():
        text = f"Exact, from the records, by intended time {each}: mean against the exact answer."
        yield Chart("Recall", "ratio", text, (_recall(good, edges),))


def _rates(evidence: Evidence, grid: Grid, edges: Floats) -> Chart:
    requests = evidence.requests
    done = requests.at("done")
    moments = {"intended": requests.at("intended"), "completed": done[requests.ok], "failed": done[~requests.ok]}
    lines = [
        Line(name, np.histogram(values, edges)[0] / grid.step)
        for name, values in moments.items()
        if name != "failed" or len(values)
    ]
    asked = np.full(len(grid.times), np.nan)
    middle = grid.times + grid.step / 2
    for phase in evidence.manifest.phases:
        if phase.rate is not None:
            asked[(middle >= phase.started.timestamp()) & (middle < phase.ended.timestamp())] = phase.rate
    if not np.isnan(asked).all():
        lines.insert(0, Line("asked", asked))
    text = "Exact, from the records" + ("; none failed." if requests.ok.all() else ".")
    return Chart("Requests", "req/s", text, tuple(lines))


def _percentiles(at: Floats, values: Floats, edges: Floats) -> tuple[Line, ...]:
    known = ~np.isnan(values)
    at, values = at[known], values[known]
    order = np.argsort(at, kind="stable")
    bounds = np.searchsorted(at[order], edges)
    lines = {name: np.full(len(edges) - 1, np.nan) for name in ("p50", "p99")}
    for index in range(len(edges) - 1):
        part = np.sort(values[order[bounds[index] : bounds[index + 1]]])
        if len(part):
            lines["p50"][index] = nearest_rank(part, 0.5)
            lines["p99"][index] = nearest_rank(part, 0.99)
    return tuple(Line(name, line) for name, line in lines.items())


def _recall(good: Requests, edges: Floats) -> Line:
    known = ~np.isnan(good.recall)
    at, recall = good.at("intended")[known], good.recall[known]
    counts = np.histogram(at, edges)[0]
    sums = np.histogram(at, edges, weights=recall)[0]
    return Line("mean", np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0))
