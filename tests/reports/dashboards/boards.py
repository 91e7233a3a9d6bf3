"""Made-up dashboards, and a recording that answers from a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prometheus.client import RefusedError, Series
from reports.dashboards import parse
from reports.dashboards.ask import Asker
from reports.dashboards.draw import Drawn, Run, draw
from reports.dashboards.steps import Range
from runs.recipe import Recipe

PLACE = {"x": 0, "y": 0, "w": 12, "h": 8}
SPAN = Range(1000.0, 1060.0, 1.0)


def target(expr: str, ref: str = "A", **more: Any) -> dict[str, Any]:
    """Make a query."""
    return {"expr": expr, "refId": ref, **more}


def panel(kind: str, *targets: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a panel; texts are expressions. `unit` and other defaults go by `defaults`, `overrides` beside them."""
    found = [target(one, chr(65 + i)) if isinstance(one, str) else one for i, one in enumerate(targets)]
    config = {"defaults": more.pop("defaults", {}), "overrides": more.pop("overrides", [])}
    return {"type": kind, "title": kind, "targets": found, "fieldConfig": config, "gridPos": PLACE, **more}


def dashboard(*panels: dict[str, Any], variables: Sequence[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """Make a dashboard whose panels stand below each other where all would stand in one place."""
    stacked = all(one.get("gridPos") == PLACE for one in panels)
    placed = [
        {"id": number, **one, **({"gridPos": {**PLACE, "y": 8 * number}} if stacked else {})}
        for number, one in enumerate(panels, 1)
    ]
    return {
        "title": "Made",
        "uid": "made",
        "schemaVersion": 41,
        "panels": placed,
        "templating": {"list": list(variables)},
        **more,
    }


class Table:
    """A recording that knows some expressions: a list of labels and values each, one a second from the first asked."""

    def __init__(
        self, answers: Mapping[str, Sequence[tuple[Mapping[str, str], Sequence[float]]]], names: Sequence[str] = ()
    ):
        self.answers, self.names = answers, list(names)
        self.asked: list[str] = []

    def query(self, expression: str, at: float | None = None) -> list[Series]:
        """See Recorded."""
        assert at is not None
        return [
            Series(labels, np.array([at]), np.array(values[-1:], float)) for labels, values in self._find(expression)
        ]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """See Recorded."""
        count = round((end - start) / step) + 1
        return [
            Series(labels, start + step * np.arange(min(count, len(values))), np.array(values[:count], float))
            for labels, values in self._find(expression)
        ]

    def samples(self, selector: str, start: float, end: float) -> list[Series]:  # noqa: ARG002 - as the protocol has it
        """See Recorded."""
        raise AssertionError

    def label_values(self, label: str, start: float, end: float) -> list[str]:  # noqa: ARG002 - as the protocol has it
        """See Recorded."""
        if label == "__name__":
            return self.names
        return sorted({labels[label] for rows in self.answers.values() for labels, _ in rows if label in labels})

    def _find(self, expression: str) -> Sequence[tuple[Mapping[str, str], Sequence[float]]]:
        self.asked.append(expression)
        if "(((" in expression:
            raise RefusedError(f"http://127.0.0.1:9/api: parse error (asked: {expression})", "parse error")
        return self.answers.get(expression, ())


UP = Table(
    {"up": [({"__name__": "up", "job": "llm"}, [1.0, 0.0, 1.0]), ({"__name__": "up", "job": "node"}, [1.0] * 3)]},
    ["up"],
)
"""Two targets, one of which was down for a moment."""


class Always(Table):
    """A recording that answers everything alike."""

    def __init__(self, rows: Sequence[tuple[Mapping[str, str], Sequence[float]]], names: Sequence[str]) -> None:
        super().__init__({"": rows}, names)

    def label_values(self, label: str, start: float, end: float) -> list[str]:  # noqa: ARG002 - as the protocol has it
        """See Recorded."""
        return ["x"] if label != "__name__" else self.names

    def _find(self, expression: str) -> Sequence[tuple[Mapping[str, str], Sequence[float]]]:  # noqa: ARG002 - as the protocol has it
        return self.answers[""]


def recipe(**changes: Any) -> Recipe:
    """Make the recipe of a run of llama.cpp."""
    return Recipe.model_validate(
        {
            "name": "demo",
            "services": {"llm": {"kind": "llamacpp"}},
            "load": {"generator": "openai", "phases": [{"name": "steady", "for": 10, "rate": 1}]},
        }
        | changes
    )


def drawn(document: dict[str, Any], table: Table, reasons: Mapping[str, str] | None = None) -> Drawn:
    """Draw a dashboard from a table."""
    return draw(parse.parse(document), Asker(table, SPAN), Run(recipe(), reasons or {}))


def only(found: Drawn) -> dict[str, Any]:
    """Return the wire of the only panel of a dashboard."""
    (row,) = found.wire["rows"]
    (one,) = row["panels"]
    wire: dict[str, Any] = one
    return wire
