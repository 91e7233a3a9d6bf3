"""Runs side by side: their headline figures, and whether a difference is more than noise.

Runs of the same recipe with the same programs on the same hardware are repeats: one column, with mean and spread. Two
columns are told apart by Student's t test with pooled variance at 95 % where there are repeats (for a column of one run
that asks whether it could be one more of the other's repeats; of fewer than five runs it finds little, and is not taken
for an answer where it finds nothing); where each is a single run, by the 95 % intervals within
these runs, which must not overlap. An interval within a run knows nothing of what changes from run to run: `basis` says
which it was. A figure without interval and repeats is not judged; neither is one of a run that is INVALID.

Sources: Student, *The Probable Error of a Mean*, Biometrika 6 (1908); N. Schenker, J. F. Gentleman, The American
Statistician 55 (2001): intervals that do not overlap are a stricter test than their level says.
"""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reports.intervals import poisson_rate, share, student
from runs.manifest import Manifest

Better = Literal["higher", "lower", "neither"]
Judgement = Literal["base", "same", "better", "worse", "differs", "not judged"]
Basis = Literal["repeats", "intervals", ""]

_ENOUGH = 3
"""Degrees of freedom from which on a t test that finds nothing says something: at 2, t is 4.3, at 1 it is 12.7."""
_BY_LOAD = {"completed", "tokens in", "tokens out"}
"""Figures that tell of the load, not of the service, where the rates asked for differ: less is not worse."""
_SAME_RATE = 0.02


@dataclass(frozen=True)
class Run:
    """A run with its summary.json."""

    manifest: Manifest
    summary: Mapping[str, Any]

    @property
    def valid(self) -> bool:
        """Whether its verdict is VALID."""
        return bool(self.summary.get("valid"))


@dataclass(frozen=True)
class Value:
    """A figure of one run, with its 95 % interval where the run gives one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Column:
    """Runs that are repeats of each other; `counted` are those that figures are of: the VALID ones if there are any."""

    letter: str
    runs: tuple[Run, ...]

    @property
    def counted(self) -> tuple[Run, ...]:
        """The VALID runs, or all of them where none is."""
        return tuple(run for run in self.runs if run.valid) or self.runs

    @property
    def valid(self) -> bool:
        """Whether the figures may be believed."""
        return any(run.valid for run in self.runs)


@dataclass(frozen=True)
class Cell:
    """A figure of a column. One run: its interval. Repeats: their mean, lowest and highest, and standard deviation.

    `change` is relative to the base column; `reason` says why it is not judged.
    """

    value: float
    n: int
    low: float | None
    high: float | None
    spread: float | None
    valid: bool
    change: float | None = None
    judgement: Judgement = "base"
    basis: Basis = ""
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """A figure over all columns; None: the column has it not."""

    label: str
    unit: str
    better: Better
    cells: tuple[Cell | None, ...]


def columns(runs: Sequence[Run], keys: Sequence[str]) -> list[Column]:
    """Put runs with equal keys (`reports.differences.kind`) into one column; the first run's is the base."""
    found: dict[str, list[Run]] = {}
    for run, key in zip(runs, keys, strict=True):
        found.setdefault(key, []).append(run)
    return [Column(_letter(index), tuple(group)) for index, group in enumerate(found.values())]


def rows(compared: Sequence[Column]) -> list[Row]:
    """Return the figures that any column has, in the order in which the first run that has them tells them."""
    tables = [[figures(run) for run in column.counted] for column in compared]
    order: dict[str, tuple[str, Better]] = {}
    for table in tables:
        for run in table:
            for label, (unit, better, _value) in run.items():
                order.setdefault(label, (unit, better))
    found = []
    for label, (unit, better) in order.items():
        cells: list[Cell | None] = []
        base: tuple[Column, list[Value]] | None = None
        for index, (column, table) in enumerate(zip(compared, tables, strict=True)):
            values = [run[label][2] for run in table if label in run]
            if not values:
                cells.append(None)
            elif index == 0:
                base = (column, values)
                cells.append(Cell(**_facts(column, values)))
            else:
                way = "neither" if label in _BY_LOAD and _other_load(tables[0], table) else better
                cells.append(_judged(base, (column, values), way))
        found.append(Row(label, unit, better, tuple(cells)))
    return found


def figures(run: Run) -> dict[str, tuple[str, Better, Value]]:
    """Return a run's figures by label: unit, which way is better, value. Those that its own summary calls headlines."""
    summary = run.summary
    found: dict[str, tuple[str, Better, Value]] = {}

    def add(label: str, unit: str, better: Better, value: float | None, bounds: Mapping[str, Any]) -> None:
        if value is not None:
            found[label] = (unit, better, Value(float(value), bounds.get("low"), bounds.get("high")))

    measured: Mapping[str, Any] = summary.get("measured") or {}
    seconds, succeeded = measured.get("seconds") or 0.0, measured.get("succeeded")
    add("asked", "req/s", "neither", measured.get("intended_per_second"), {})
    for item in summary.get("headline", []):
        label, unit = str(item["label"]), str(item["unit"])
        value = Value(float(item["value"]), item.get("low"), item.get("high"))
        if label == "completed" and succeeded is not None and seconds:
            value = Value(value.value, *poisson_rate(value.value, seconds))
        if label == "failed" and measured.get("requests"):
            value = Value(value.value, *share(int(measured["failed"]), int(measured["requests"])))
        found[label] = (unit, _better(label, unit), value)
    lag: Mapping[str, Any] = (measured.get("lag_seconds") or {}).get("p99") or {}
    add("client lag p99", "s", "lower", lag.get("value"), lag)
    recorder: Mapping[str, Any] = summary.get("recorder") or {}
    add("recorder CPU", "cores", "lower", recorder.get("cpu_cores_mean"), {})
    add("recorder memory", "bytes", "lower", recorder.get("memory_bytes_mean"), {})
    return found


def _other_load(one: Sequence[Mapping[str, Any]], two: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether two columns were asked for other rates. A closed loop is asked for what it does."""
    rates = [statistics.fmean(run["asked"][2].value for run in table) for table in (one, two) if _all_asked(table)]
    return len(rates) == 2 and abs(rates[1] - rates[0]) > _SAME_RATE * rates[0]


def _all_asked(table: Sequence[Mapping[str, Any]]) -> bool:
    return all("asked" in run for run in table)


def _better(label: str, unit: str) -> Better:
    if label in {"failed", "dropped"} or unit == "s":
        return "lower"
    return "higher" if unit.endswith("/s") or label.startswith("recall") else "neither"


def _facts(column: Column, values: Sequence[Value]) -> dict[str, Any]:
    one = values[0]
    numbers = [value.value for value in values]
    several = len(values) > 1
    return {
        "value": statistics.fmean(numbers),
        "n": len(values),
        "low": min(numbers) if several else one.low,
        "high": max(numbers) if several else one.high,
        "spread": statistics.stdev(numbers) if several else None,
        "valid": column.valid,
    }


def _judged(base: tuple[Column, list[Value]] | None, other: tuple[Column, list[Value]], better: Better) -> Cell:
    facts = _facts(*other)
    if base is None:
        return Cell(**facts, judgement="not judged", reason="the base has no such figure")
    before, after = statistics.fmean(v.value for v in base[1]), float(facts["value"])
    change = (after - before) / abs(before) if before else None
    if not (base[0].valid and other[0].valid):
        return Cell(**facts, change=change, judgement="not judged", reason="INVALID")
    if before == after:
        return Cell(**facts, change=change, judgement="same")
    if better == "neither" and len(base[1]) == len(other[1]) == 1:
        return Cell(**facts, change=change, judgement="differs")
    differ, basis, reason = _differ(base[1], other[1])
    if differ is None:
        return Cell(**facts, change=change, judgement="not judged", reason=reason)
    judgement: Judgement = "same"
    if differ:
        good = (after > before) == (better == "higher")
        judgement = "differs" if better == "neither" else "better" if good else "worse"
    return Cell(**facts, change=change, judgement=judgement, basis=basis)


def _differ(one: Sequence[Value], two: Sequence[Value]) -> tuple[bool | None, Basis, str]:
    """Tell whether two columns differ by more than noise, and what says so; None: nothing can, and why."""
    apart = _apart(one, two)
    degrees = len(one) + len(two) - 2
    if degrees == 0:
        return apart, "intervals", "" if apart is not None else "neither repeats nor intervals say what noise is"
    first, second = [v.value for v in one], [v.value for v in two]
    squares = sum(statistics.variance(part) * (len(part) - 1) for part in (first, second) if len(part) > 1)
    error = math.sqrt(squares / degrees * (1 / len(first) + 1 / len(second)))
    if abs(statistics.fmean(first) - statistics.fmean(second)) > student(degrees) * error:
        return True, "repeats", ""
    if degrees < _ENOUGH and apart is not False:
        # A t test of so few finds nothing: what it does not find may still be there.
        return None, "repeats", f"fewer than {_ENOUGH + 2} runs in both columns are too few to tell"
    return False, "repeats", ""


def _apart(one: Sequence[Value], two: Sequence[Value]) -> bool | None:
    """Tell whether all intervals of one column lie beyond all of the other; None: some figure has none."""
    lows = [[value.low for value in part] for part in (one, two)]
    highs = [[value.high for value in part] for part in (one, two)]
    if any(bound is None for part in (*lows, *highs) for bound in part):
        return None
    (low_a, low_b), (high_a, high_b) = (
        [[float(bound) for bound in part if bound is not None] for part in parts] for parts in (lows, highs)
    )
    return max(high_a) < min(low_b) or max(high_b) < min(low_a)


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"{chr(ord('A') + index // 26 - 1)}{chr(ord('A') + index % 26)}"


def as_json(compared: Sequence[Column], found: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield each figure for programs; changes as ratios."""
    for row in found:
        cells = {
            column.letter: None if cell is None else {key: value for key, value in vars(cell).items() if value != ""}
            for column, cell in zip(compared, row.cells, strict=True)
        }
        yield {"label": row.label, "unit": row.unit, "better": row.better, "columns": cells}
