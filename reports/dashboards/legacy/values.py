"""`fieldOptions` of Grafana 6 and 7.0 in stat, gauge and bar gauge: made into fieldConfig and reduceOptions."""

from collections.abc import Mapping
from typing import Any

from reports.dashboards.reading import mapping, mappings


def _values(one: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    options = mapping(one.get("options"))
    old = mapping(options.get("fieldOptions"))
    if not old or mapping(one.get("fieldConfig")).get("defaults"):
        return one, []
    found = dict(mapping(old.get("defaults")))
    for key in ("thresholds", "mappings"):  # 6.x had them beside the defaults
        found.setdefault(key, old.get(key, options.get(key)))
    if isinstance(found["thresholds"], list):
        steps = [
            {**step, "value": None} if place == 0 else step for place, step in enumerate(mappings(found["thresholds"]))
        ]
        found["thresholds"] = {"mode": "absolute", "steps": steps}
    if "title" in found:
        found.setdefault("displayName", found["title"])
    reduced = {"calcs": old.get("calcs"), "values": old.get("values"), "limit": old.get("limit"), "fields": ""}
    overrides = old.get("overrides") if isinstance(old.get("overrides"), list) else []
    config = {"defaults": found, "overrides": overrides}
    return {**one, "fieldConfig": config, "options": {**options, "reduceOptions": reduced}}, []


OLD = dict.fromkeys(("stat", "gauge", "bargauge"), _values)
