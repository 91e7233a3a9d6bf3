"""`aiperf`: AIPerf's profile_export.jsonl, one request a line.

AIPerf's request_latency ends with the last content (the usage chunk and [DONE] come after it); time_to_first_token
counts from request_start_ns. inter_chunk_latency holds the gaps between chunks, which are our `gaps`; its
inter_token_latency is a mean over the request and is not stored. Each metric brings its unit.
https://docs.nvidia.com/aiperf/tutorials/metrics-analysis/working-with-profile-export-files
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loadtests.importers import base
from loadtests.importers.base import Imported, ImporterError, ImporterKind, Row, Unfit

_WHAT = "AIPerf's profile_export.jsonl"
_COUNTED = "tokens are AIPerf's own count where the server reported no usage"


def read(path: Path) -> Imported:
    """Read the requests of the profiling phase; those of a warm-up are counted and left out. Raises ImporterError."""
    imported = Imported()

    def rows() -> Iterator[Row]:
        skipped = 0
        for line, record in base.json_lines(path, _WHAT):
            try:
                metadata = base.mapping(record.get("metadata"), "metadata")
                if metadata.get("benchmark_phase", "profiling") != "profiling":
                    skipped += 1
                    continue
                yield _row(metadata, record, imported.notes)
            except Unfit as error:
                raise ImporterError(path, str(error), f"give {_WHAT}", line) from error
        if skipped:
            imported.notes["left_out"] = f"{skipped} requests of other phases than profiling"

    imported.rows = rows()
    return imported


def _row(metadata: Mapping[str, Any], record: Mapping[str, Any], notes: dict[str, Any]) -> Row:
    metrics = base.mapping(record.get("metrics") or {}, "metrics")
    sent = base.epoch_ns(base.number(metadata.get("request_start_ns"), "request_start_ns"), "request_start_ns")
    sent = int(metadata["request_start_ns"])  # the float above has no room for all its digits
    latency, first = _time(metrics, "request_latency"), _time(metrics, "time_to_first_token")
    end = metadata.get("request_end_ns")
    if latency is None and end is None:
        raise Unfit("neither request_latency nor request_end_ns is there")
    done = sent + latency if latency is not None else _moment(end, "request_end_ns")
    issued = metadata.get("credit_issued_ns")
    tokens = [_tokens(metrics, f"usage_{kind}_tokens", f"{other}_sequence_length", notes) for kind, other in _KINDS]
    error = _kind(record.get("error"), cancelled=metadata.get("was_cancelled") is True)
    return Row(
        sent=sent,
        done=max(sent, done),
        ok=error is None,
        intended=min(sent, _moment(issued, "credit_issued_ns")) if issued is not None else None,
        first_token=sent + first if first is not None else None,
        error=error,
        tokens_in=tokens[0],
        tokens_out=tokens[1],
        gaps=_gaps(metrics.get("inter_chunk_latency")),
    )


_KINDS = (("prompt", "input"), ("completion", "output"))


def _moment(value: Any, name: str) -> int:
    base.epoch_ns(base.number(value, name), name)
    return int(value)


def _time(metrics: Mapping[str, Any], name: str) -> int | None:
    if metrics.get(name) is None:
        return None
    found = base.mapping(metrics[name], name)
    return max(0, base.nanoseconds(found.get("value"), str(found.get("unit")), name))


def _gaps(metric: Any) -> list[float] | None:
    if metric is None:
        return None
    name = "inter_chunk_latency"
    found = base.mapping(metric, name)
    values = found.get("value")
    if not isinstance(values, list):
        raise Unfit(f"{name} is no list")
    return [base.nanoseconds(value, str(found.get("unit")), name) / 1e9 for value in values]


def _tokens(metrics: Mapping[str, Any], usage: str, counted: str, notes: dict[str, Any]) -> int | None:
    if metrics.get(usage) is not None:
        return base.whole(base.mapping(metrics[usage], usage).get("value"), usage)
    if metrics.get(counted) is None:
        return None
    notes["tokens"] = _COUNTED
    return base.whole(base.mapping(metrics[counted], counted).get("value"), counted)


def _kind(error: Any, *, cancelled: bool) -> str | None:
    if cancelled:
        return "cancelled"
    if not error:
        return None
    found = base.mapping(error, "error")
    code, name = found.get("code"), str(found.get("type") or "error")
    if isinstance(code, int) and 400 <= code <= 599:
        return f"http_{code}"
    if "Timeout" in name:
        return "timeout"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()[:40]


IMPORTER = ImporterKind(name="aiperf", files="profile_export.jsonl", read=read)
