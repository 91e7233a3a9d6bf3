"""`ior`: IOR's JSON (`-O summaryFormat=JSON`) and mdtest's printed summary. Neither has times of operations.

IOR tells bandwidth in MiB/s and operations a second of each repetition; mdtest means over its iterations.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loadtests.aggregate import Aggregate
from loadtests.importers import base
from loadtests.importers.base import Imported, ImporterError, ImporterKind, Unfit

_WHAT = "the JSON of `ior -O summaryFormat=JSON`, or what mdtest prints"
_ITEMS = re.compile(r"(\d+) tasks, (\d+) (?:files|directories)")
_ROW = re.compile(r"^\s+([A-Z][a-z]+ [a-z]+)\s*:?\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s*$")


def read(path: Path) -> Imported:
    """Read the figures of each repetition of IOR, or of mdtest's iterations together. Raises ImporterError."""
    numbered = list(base.lines(path, _WHAT))
    text = "\n".join(line for _, line in numbered)
    try:
        if text.lstrip().startswith("{"):
            return Imported(aggregates=list(_ior(base.document(path, _WHAT))))
        found = list(_mdtest(text))
    except Unfit as error:
        raise ImporterError(path, str(error), f"give {_WHAT}") from error
    if not found:
        raise ImporterError(path, "has no SUMMARY rate of mdtest", f"give {_WHAT}")
    return Imported(aggregates=found)


def _ior(document: Any) -> Iterator[Aggregate]:
    tests = base.mapping(document, "the document").get("tests")
    if not isinstance(tests, list):
        raise Unfit("it has no list of `tests`")
    for test in tests:
        found = base.mapping(test, "tests")
        for result in found.get("Results") or ():
            yield _repetition(base.mapping(result, "Results"), found)


def _repetition(result: Mapping[str, Any], test: Mapping[str, Any]) -> Aggregate:
    seconds = base.number(result.get("totalTime"), "totalTime")
    if seconds <= 0:
        raise Unfit(f"totalTime is {seconds:g}")
    parameters = test.get("Parameters")
    return Aggregate(
        target=str(parameters.get("testFileName", "")) if isinstance(parameters, dict) else "",
        operation=str(result.get("access", "access")),
        count=round(base.number(result.get("iops"), "iops") * seconds),
        seconds=seconds,
        bytes=round(base.number(result.get("bwMiB"), "bwMiB") * 2**20 * seconds),
        mean=base.number(result["latency"], "latency") if "latency" in result else None,
    )


def _mdtest(text: str) -> Iterator[Aggregate]:
    items = _ITEMS.search(text)
    head, found, table = text.partition("SUMMARY rate")
    del head
    for line in table.splitlines() if found and items else ():
        match = _ROW.match(line)
        if match and float(match[4]) > 0:
            count = int(items[1]) * int(items[2]) if items else 0
            facts = {"rate_max": float(match[2]), "rate_min": float(match[3]), "rate_deviation": float(match[5])}
            seconds = count / float(match[4])
            yield Aggregate(operation=match[1].lower(), count=count, seconds=seconds, facts=facts)


IMPORTER = ImporterKind(name="ior", files="IOR's JSON, or mdtest's output", read=read)
