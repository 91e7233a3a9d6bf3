"""`guidellm`: the JSON of `guidellm benchmark`, all its benchmarks.

Moments are seconds of UTC. GuideLLM's inter-token latency is a mean over a request, so that stalls vanish in it: it is
no list of gaps and is not stored. targeted_start is the intended time under the strategies that have a schedule
(constant, poisson, trace); the others mean "as soon as possible" by it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loadtests.importers import base
from loadtests.importers.base import Imported, ImporterError, ImporterKind, Row, Unfit

_WHAT = "the JSON that `guidellm benchmark` writes"
_SCHEDULED = frozenset(("constant", "poisson", "trace", "replay"))
_PARTS = (("successful", None), ("errored", "error"), ("incomplete", "incomplete"))


def read(path: Path) -> Imported:
    """Read the requests of all benchmarks of a file. Raises ImporterError."""
    report = base.document(path, _WHAT)
    benchmarks = report.get("benchmarks") if isinstance(report, dict) else None
    if not isinstance(benchmarks, list):
        raise ImporterError(path, "has no list of `benchmarks`", f"give {_WHAT}")
    notes = {"itl": "GuideLLM's inter-token latency is a mean over a request: there are no gaps to be had"}

    def rows() -> Iterator[Row]:
        for index, benchmark in enumerate(benchmarks):
            where = f"benchmarks[{index}]"
            try:
                found = base.mapping(benchmark, where)
                strategy = _strategy(found)
                requests = base.mapping(found.get("requests") or found.get("request_samples") or {}, "requests")
                label = f"{index}-{strategy or 'benchmark'}" if len(benchmarks) > 1 else None
                for part, error in _PARTS:
                    for place, request in enumerate(requests.get(part) or ()):
                        where = f"benchmarks[{index}].requests.{part}[{place}]"
                        if (
                            row := _row(base.mapping(request, "it"), error, scheduled=strategy in _SCHEDULED)
                        ) is not None:
                            row.operation = label
                            yield row
            except (Unfit, TypeError) as error:
                raise ImporterError(path, f"{where}: {error}", f"give {_WHAT}") from error

    return Imported(rows=rows(), notes=notes)


def _strategy(benchmark: Mapping[str, Any]) -> str:
    for place in ("config", "scheduler", "args"):
        part = benchmark.get(place)
        strategy = part.get("strategy") if isinstance(part, dict) else None
        if isinstance(strategy, dict) and isinstance(strategy.get("type_"), str):
            return str(strategy["type_"])
    return ""


def _row(request: Mapping[str, Any], error: str | None, *, scheduled: bool) -> Row | None:
    info = request.get("info") or request.get("scheduler_info") or {}
    info = base.mapping(info, "info")
    timings = base.mapping(info.get("timings") or info.get("request_timings") or {}, "timings")

    def moment(*names: str) -> int | None:
        for name in names:
            for source in (request, timings):
                if source.get(name) is not None:
                    return base.epoch_seconds(source[name], name)
        return None

    sent = moment("request_start_time", "request_start", "start_time")
    done = moment("request_end_time", "request_end", "end_time")
    if sent is None:  # it never began: cancelled in the queue
        return None
    targeted = moment("targeted_start") if scheduled else None
    return Row(
        sent=sent,
        done=max(sent, done if done is not None else sent),
        ok=error is None,
        intended=None if targeted is None else min(sent, targeted),
        first_token=moment("first_token_iteration", "first_iteration", "first_token_time"),
        error=error,
        tokens_in=base.whole(request.get("prompt_tokens"), "prompt_tokens"),
        tokens_out=base.whole(request.get("output_tokens"), "output_tokens"),
    )


IMPORTER = ImporterKind(name="guidellm", files="benchmarks.json", read=read)
