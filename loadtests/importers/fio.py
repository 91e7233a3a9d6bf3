"""`fio`: the JSON or JSON+ of `fio --output-format=json+`. fio keeps no requests: figures of each job and direction.

clat (completion latency) counts from the hand-over to the kernel to the completion, in ns; slat is the hand-over, lat
both. What is told is clat. With a rate, fio sends late when it is busy and does not count that in: clat is service time
and is not corrected for coordinated omission.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loadtests.aggregate import Aggregate, from_bins
from loadtests.importers import base
from loadtests.importers.base import Imported, ImporterError, ImporterKind, Unfit

_WHAT = "what `fio --output-format=json+ --output=FILE` writes"
SHARES = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)
TIME = "completion latency (fio's clat)"
UNCORRECTED = "fio's clat is service time: what fio itself sent late is not in it"
_DIRECTIONS = ("read", "write", "trim")


def documents(text: str) -> Iterator[Any]:
    """Yield the JSON documents of fio's output: one, or one each --status-interval, with or without words between.

    What is not whole (yet) ends it.
    """
    decoder, position = json.JSONDecoder(), 0
    while (position := text.find("{", position)) >= 0:
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield value


def read(path: Path) -> Imported:
    """Read the last document of a file. Raises ImporterError."""
    try:
        found = list(documents(path.read_text(encoding="utf-8")))
        aggregates = list(aggregate(found[-1]))
    except OSError as error:
        raise ImporterError(path, f"cannot be read ({error.strerror or error})", f"give {_WHAT}") from error
    except UnicodeDecodeError as error:
        raise ImporterError(path, "is not UTF-8 text", f"give {_WHAT}") from error
    except IndexError as error:
        raise ImporterError(path, "holds no whole JSON document", f"give {_WHAT}") from error
    except Unfit as error:
        raise ImporterError(path, str(error), f"give {_WHAT}") from error
    return Imported(aggregates=aggregates, notes={"latency": UNCORRECTED})


def aggregate(document: Any) -> Iterator[Aggregate]:
    """Yield the figures of each job and direction that did something. Raises Unfit."""
    jobs = base.mapping(document, "the document").get("jobs")
    if not isinstance(jobs, list):
        raise Unfit("it has no list of `jobs`")
    for job in jobs:
        found = base.mapping(job, "a job")
        for direction in _DIRECTIONS:
            part = base.mapping(found.get(direction) or {}, direction)
            if part.get("total_ios"):
                yield _aggregate(found, direction, part)


def _aggregate(job: Mapping[str, Any], direction: str, part: Mapping[str, Any]) -> Aggregate:
    clat = base.mapping(part.get("clat_ns") or part.get("lat_ns") or {}, "clat_ns")
    runtime = base.number(part.get("runtime"), "runtime") / 1000.0
    errors = base.whole(job.get("total_err", 1 if job.get("error") else 0), "error", 2**53) or 0
    counted = bool(clat.get("N"))

    def seconds(name: str) -> float | None:
        return base.number(clat[name], name) / 1e9 if counted and name in clat else None

    return Aggregate(
        target=str(job.get("jobname", "")),
        operation=direction,
        time=TIME,
        count=base.whole(part.get("total_ios"), "total_ios", 2**53) or 0,
        failed=errors,
        seconds=max(runtime, 1e-3),
        bytes=base.size(part.get("io_bytes"), "io_bytes"),
        mean=seconds("mean"),
        least=seconds("min"),
        most=seconds("max"),
        percentiles=_percentiles(clat),
    )


def bins(clat: Mapping[str, Any]) -> dict[float, int]:
    """Return the histogram of JSON+: seconds (the middle of a bin, which is 1.6 % wide) and how many. Raises Unfit."""
    found: dict[float, int] = {}
    for key, count in base.mapping(clat.get("bins") or {}, "bins").items():
        try:
            found[int(key) / 1e9] = base.whole(count, "bins", 2**53) or 0
        except ValueError as error:
            raise Unfit(f"bins has {key!r} where a number of ns is due") from error
    return found


def _percentiles(clat: Mapping[str, Any]) -> dict[str, float]:
    if histogram := bins(clat):
        return from_bins(histogram, SHARES)
    found: dict[str, float] = {}
    for key, value in base.mapping(clat.get("percentile") or {}, "percentile").items():
        try:
            found[f"{float(key) / 100:g}"] = base.number(value, "percentile") / 1e9
        except ValueError as error:
            raise Unfit(f"percentile has {key!r} where a number is due") from error
    return found


IMPORTER = ImporterKind(name="fio", files="json or json+ output", read=read)
