"""Text panels before Grafana 7: their words stood beside the options."""

from collections.abc import Mapping
from typing import Any

from reports.dashboards.reading import mapping


def _text(one: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    options = mapping(one.get("options"))
    if "content" in options or "content" not in one:
        return one, []
    mode = one.get("mode")
    words = {"content": one["content"], "mode": "code" if mode == "text" else mode}
    return {**one, "options": {**options, **words}}, []


OLD = {"text": _text}
