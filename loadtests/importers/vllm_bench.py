"""`vllm-bench`: the JSON of `vllm bench serve --save-result --save-detailed`.

Times are seconds. ttfts count from the sending to the first chunk; itls are the gaps between chunks, pooled by vLLM and
ours one by one; an answer's latency is its ttft plus its gaps. start_times are of the client's monotonic clock: on the
machine and boot that wrote them they are exact, elsewhere the end of the last request is set to the file's date. Time
that a request spent waiting for --max-concurrency is in none of them. Tokens are counted by vLLM's tokenizer.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from loadtests.aggregate import Aggregate
from loadtests.importers import base
from loadtests.importers.base import Imported, ImporterError, ImporterKind, Row, Unfit

_WHAT = "the JSON of `vllm bench serve --save-result --save-detailed`"
_TOLERANCE = 60.0
"""Seconds between the end of the last request and the writing of the file: the statistics take some."""
_SHARES = (0.5, 0.9, 0.95, 0.99)
_WAIT = "time spent waiting for --max-concurrency is in none of vLLM's times"


def read(path: Path) -> Imported:
    """Read requests; without start_times (older releases) only figures of all of them. Raises ImporterError."""
    result = base.document(path, _WHAT)
    if not isinstance(result, dict):
        raise ImporterError(path, "is no JSON object", f"give {_WHAT}")
    try:
        ttfts, gaps, errors = _lists(result)
        tokens = [_counts(result.get(name), name, len(ttfts)) for name in ("input_lens", "output_lens")]
        starts = result.get("start_times")
        if starts is None:
            notes = {"requests": "this release writes no start times: requests cannot be placed in time"}
            return Imported(aggregates=_aggregates(result, ttfts, gaps, errors), notes=notes | {"waiting": _WAIT})
        moments = [base.number(value, "start_times") for value in _list(starts, "start_times", len(ttfts))]
        took = [ttft + sum(each) for ttft, each in zip(ttfts, gaps, strict=True)]
        last = max(start + length for start, length in zip(moments, took, strict=True))
        offset, how = _offset(last, path, result.get("date"))
    except Unfit as error:
        raise ImporterError(path, str(error), f"give {_WHAT}") from error

    def rows() -> Iterator[Row]:
        for index, start in enumerate(moments):
            sent = round((start + offset) * 1e9)
            yield Row(
                sent=sent,
                done=sent + max(0, round(took[index] * 1e9)),
                ok=not errors[index],
                first_token=sent + round(ttfts[index] * 1e9) if ttfts[index] > 0 and not errors[index] else None,
                error=_kind(errors[index]),
                tokens_in=tokens[0][index],
                tokens_out=tokens[1][index],
                gaps=gaps[index],
            )

    return Imported(rows=rows(), notes={"clock": how, "waiting": _WAIT, "tokens": "counted by vLLM's tokenizer"})


def _list(value: Any, name: str, count: int | None = None) -> list[Any]:
    if not isinstance(value, list):
        raise Unfit(f"{name} is no list: was --save-detailed given?")
    if count is not None and len(value) != count:
        raise Unfit(f"{name} has {len(value)} entries where there are {count} requests")
    return value


def _lists(result: Mapping[str, Any]) -> tuple[list[float], list[list[float]], list[str]]:
    ttfts = [_duration(value, "ttfts") for value in _list(result.get("ttfts"), "ttfts")]
    count = len(ttfts)
    if not count:
        raise Unfit("there is no request in it")
    gaps = [
        [_duration(gap, "itls") for gap in _list(each, "itls")] for each in _list(result.get("itls"), "itls", count)
    ]
    errors = [str(value or "") for value in _list(result.get("errors"), "errors", count)]
    return ttfts, gaps, errors


def _duration(value: Any, name: str) -> float:
    return base.nanoseconds(value if value is not None else 0.0, "s", name) / 1e9


def _counts(value: Any, name: str, count: int) -> list[int | None]:
    return [None] * count if value is None else [base.whole(one, name) for one in _list(value, name, count)]


def _offset(last: float, path: Path, date: Any) -> tuple[float, str]:
    """Return what makes UTC seconds of the file's clock, and in words by what right."""
    here, written = time.time() - time.perf_counter(), path.stat().st_mtime
    if 0.0 <= written - (last + here) <= _TOLERANCE:
        return here, "start times are of this machine's monotonic clock: exact"
    try:
        end = datetime.strptime(str(date), "%Y%m%d-%H%M%S").timestamp()  # noqa: DTZ007 - vLLM writes local time
    except ValueError:
        end = written
    base.epoch_seconds(end, "date")
    return end - last, "start times are of another machine's clock: set by the date of the file, right to seconds"


def _kind(text: str) -> str | None:
    if not text:
        return None
    return "timeout" if "Timeout" in text else "error"


def _aggregates(
    result: Mapping[str, Any], ttfts: Sequence[float], gaps: Sequence[Sequence[float]], errors: Sequence[str]
) -> list[Aggregate]:
    import numpy as np  # noqa: PLC0415 - one of two importers that count by themselves

    good = [index for index, error in enumerate(errors) if not error]
    pooled = {
        "latency: first token and all gaps": [ttfts[index] + sum(gaps[index]) for index in good],
        "time to first token": [ttfts[index] for index in good],
        "gap between chunks": [gap for index in good for gap in gaps[index]],
    }
    seconds = base.number(result.get("duration"), "duration")
    if seconds <= 0:
        raise Unfit(f"duration is {seconds:g}")
    return [
        Aggregate(
            operation="completion" if position == 0 else words,
            time=words,
            count=len(values),
            failed=len(errors) - len(good) if position == 0 else 0,
            seconds=seconds,
            mean=float(np.mean(values)),
            least=min(values),
            most=max(values),
            percentiles={f"{p:g}": float(np.quantile(values, p, method="inverted_cdf")) for p in _SHARES},
        )
        for position, (words, values) in enumerate(pooled.items())
        if values
    ]


IMPORTER = ImporterKind(name="vllm-bench", files="the result of --save-result --save-detailed", read=read)
