"""Panels of words: tables and text."""

from collections.abc import Sequence
from typing import Any

from grafanalib import core

from grafana.lib import SOURCE, build, plain_json
from grafana.needs import ANY, Needs
from grafana.panel import Panel
from grafana.plain import REFS
from grafana.queries import Query


def table(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    labels: Sequence[str],
    columns: Sequence[tuple[str, str]] = (),
    sort: str | None = None,
    width: int = 24,
    height: int = 8,
    needs: Needs = ANY,
) -> Panel:
    """List things with the values that instant queries give for them, a query a column.

    `labels` are the columns that tell the things apart; the queries' legends head the values' columns. `columns` gives
    units to columns by name; `unit` is that of the others. `sort` is the column by which rows fall.
    """
    names = {f"Value #{ref}": query.legend for ref, query in zip(REFS, queries, strict=False)}
    values = {"Value": queries[0].legend} if len(queries) == 1 else names
    order = [*labels, *values]
    transformations: list[dict[str, Any]] = [{"id": "merge", "options": {}}] if len(queries) > 1 else []
    # A filter on names, since a label that is not asked for would be a column of noise.
    transformations.append({"id": "filterFieldsByName", "options": {"include": {"names": order}}})
    transformations.append(
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {name: place for place, name in enumerate(order)},
                "renameByName": values,
            },
        }
    )
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "frameIndex": 0,
        "sortBy": [{"displayName": sort, "desc": True}] if sort else [],
    }
    defaults = {
        "color": {"mode": "thresholds"},
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": True},
    }
    overrides = [
        {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": value}]}
        for name, value in columns
    ]
    return build(
        *(core.Table(), title, description, unit, queries, width, height, needs, options, defaults),
        overrides=overrides,
        transformations=transformations,
        target_format="table",
    )


def text(title: str, description: str, content: str, *, width: int = 24, height: int = 3, needs: Needs = ANY) -> Panel:
    """Say something in Markdown. It has no unit, since it shows no value."""
    extra = {"options": {"mode": "markdown", "content": content}}
    made = core.Text(title=title, description=description, dataSource=SOURCE, extraJson=extra)
    return Panel(plain_json(made), width, height, needs)
