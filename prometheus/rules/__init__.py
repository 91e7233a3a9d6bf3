"""The run's recording and alerting rules: one file a source, found by being here. A file offers its group as `GROUP`.

All rules go into each run, whatever its services are: one without its source costs next to nothing, and a `command`
service that is vLLM gets vLLM's series. What sources of services tell under one name becomes one rule, joined by `or`:
a series comes from one source, never from two that would overwrite each other.
"""

import importlib
import pkgutil
from functools import cache
from typing import Any

import yaml

from prometheus.rules.base import Alert, Group

FILE = "rules.yml"


@cache
def groups() -> tuple[Group, ...]:
    """Return every group, by name."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    found = (module.GROUP for module in modules if hasattr(module, "GROUP"))
    return tuple(sorted(found, key=lambda group: group.name))


def names() -> frozenset[str]:
    """Return the names of all series that the rules make."""
    return frozenset(record.name for group in groups() for record in group.records)


def alerts() -> frozenset[str]:
    """Return the names of all alerts."""
    return frozenset(alert.name for group in groups() for alert in group.alerts)


def render(interval: float) -> str:
    """Return rules.yml for a scrape interval in seconds."""
    places = {
        "$w": _duration(max(4 * interval, 4.0)),
        "$q": _duration(max(10 * interval, 15.0)),
        # dcgm-exporter refreshes each 30 s where nobody told it otherwise, and once a scrape where we start it.
        "$stale": f"{max(5 * interval, 10.0):g}",
    }
    services = [group for group in groups() if group.service]
    joined: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for group in services:
        for record in group.records:
            key = record.name, tuple(sorted(record.labels.items()))
            joined.setdefault(key, []).append(group.write(record.expr, places))
    rendered = [{"name": "services", "rules": [_record(*key, parts) for key, parts in sorted(joined.items())]}]
    for group in groups():
        records = () if group.service else group.records
        rules = [_record(r.name, tuple(r.labels.items()), [group.write(r.expr, places)]) for r in records]
        rules += [_alert(alert, group.write(alert.expr, places), interval) for alert in group.alerts]
        if rules:
            rendered.append({"name": group.name, "rules": rules})
    return yaml.dump({"groups": rendered}, Dumper=_Dumper, sort_keys=False, width=10_000)


def _record(name: str, labels: tuple[tuple[str, str], ...], parts: list[str]) -> dict[str, Any]:
    return {"record": name, "expr": "\nor\n".join(parts)} | ({"labels": dict(labels)} if labels else {})


def _alert(alert: Alert, expression: str, interval: float) -> dict[str, Any]:
    # Three scrapes at least: less is one bad scrape.
    hold = max(alert.hold, 2 * interval) if alert.hold else 0.0
    return {
        "alert": alert.name,
        "expr": expression,
        **({"for": _duration(hold)} if hold else {}),
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "action": alert.action,
            "unit": alert.unit,
            "worst": alert.worst,
        },
    }


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms" if seconds % 1 else f"{round(seconds)}s"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
