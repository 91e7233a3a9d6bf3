"""Heat maps before Grafana 9.1: what is now among the options stood beside them."""

from collections.abc import Mapping
from typing import Any

from reports.dashboards.reading import mapping, number, text


def _heatmap(one: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    if one.get("options") or "dataFormat" not in one:
        return one, []
    axis, color = mapping(one.get("yAxis")), mapping(one.get("color"))
    opacity = color.get("mode") == "opacity"
    options = {
        "calculate": one.get("dataFormat") != "tsbuckets",
        "yAxis": {"unit": axis.get("format"), "decimals": axis.get("decimals")},
        "color": {
            "mode": "opacity" if opacity else "scheme",
            "fill": text(color.get("cardColor")),
            "scheme": text(color.get("colorScheme")).removeprefix("interpolate"),
            "exponent": number(color.get("exponent"), 0.5),
            "scale": "linear" if color.get("colorScale") == "linear" else "exponential",
        },
        "filterValues": {"le": 1e-9 if one.get("hideZeroBuckets") else None},
        "legend": {"show": mapping(one.get("legend")).get("show") is not False},
    }
    return {**one, "options": options}, []


OLD = {"heatmap": _heatmap}
