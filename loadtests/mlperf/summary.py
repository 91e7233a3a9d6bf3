"""LoadGen's own summary, read back: mlperf_log_summary.txt is lines of `name : value`, with a verdict among them."""

import re
from pathlib import Path
from typing import Any

SUMMARY = "mlperf_log_summary.txt"
_LINE = re.compile(r"^\s*(?P<name>[^:*]+?)\s*:\s*(?P<value>\S.*?)\s*$")
_CONDITION = re.compile(r"^\s+(?P<name>[A-Z].*? satisfied)\s*:\s*(?P<value>Yes|NO|No)\s*$")


def read(directory: Path) -> dict[str, Any]:
    """Return `result` (VALID, INVALID or None), the conditions that were not met, what it advises, and all figures.

    Numbers are as LoadGen writes them: nanoseconds where it says so. Raises OSError.
    """
    text = (directory / SUMMARY).read_text(encoding="utf-8", errors="replace")
    figures: dict[str, Any] = {}
    unmet: list[str] = []
    for line in text.splitlines():
        if (condition := _CONDITION.match(line)) is not None and condition["value"] != "Yes":
            unmet.append(condition["name"].removesuffix(" satisfied"))
        elif (found := _LINE.match(line)) is not None:
            figures[found["name"]] = _number(found["value"])
    result = figures.pop("Result is", None)
    return {"result": result, "unmet": unmet, "advice": _advice(text), "figures": figures}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _advice(text: str) -> str:
    """Return what LoadGen recommends, in one line."""
    parts = re.split(r"^Recommendations:\s*$", text, maxsplit=1, flags=re.MULTILINE)
    if len(parts) < 2:
        return ""
    return " ".join(parts[1].split("====", maxsplit=1)[0].replace("*", " ").split())


def warnings(found: dict[str, Any]) -> list[str]:
    """Return what is to be told against a run, by LoadGen's verdict."""
    if found["result"] == "VALID":
        return []
    if found["result"] is None:
        return ["MLPerf LoadGen left no verdict: its log is load/mlperf/mlperf_log_detail.txt"]
    why = f" ({', '.join(found['unmet'])} not satisfied)" if found["unmet"] else ""
    more = re.search(r"at least (\d+) more queries", found["advice"])
    mend = f"; it would take at least {more[1]} more queries" if more else ""
    return [f"MLPerf LoadGen says: Result is : {found['result']}{why}{mend}"]
