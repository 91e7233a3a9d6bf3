"""Which alerts fired within a run, when, how bad it was, and what to do: from the recording and its own rules.

Prometheus keeps that an alert fired (`ALERTS`), and neither its value nor its text: the expression of the archived
rules.yml is asked again for the time in which it fired, and its templates are filled in here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from prometheus.client import Series
from reports.presence import Span
from reports.scrapes import Recorded
from reports.statistics import Floats
from reports.words import display

_MOST = 500
"""Stretches that are listed: an alert of a thousand nodes must not make a report of its own."""
_APART = 2.5
"""Evaluations without an alert that end it: a single one may be late."""
_STATE = ("__name__", "alertname", "alertstate", "severity")
_SAID_ELSEWHERE = (*_STATE, "run_id", "job", "node", "instance", "role")
_TEMPLATE = re.compile(r"\{\{\s*\$(labels\.(?P<label>\w+)|value)\s*(\|\s*(?P<how>\w+)\s*)?\}\}")
_HOW = {"humanizePercentage": "ratio", "humanizeDuration": "s"}


@dataclass(frozen=True)
class Firing:
    """A stretch in which an alert fired, in UTC seconds. `value` is the worst in it; None: it cannot be had again."""

    alert: str
    severity: str
    labels: Mapping[str, str]
    start: float
    end: float
    value: float | None
    unit: str
    text: str
    action: str

    def row(self) -> dict[str, Any]:
        """Return what summary.json says of it; `seconds` is the length."""
        return {
            "alert": self.alert,
            "severity": self.severity,
            "job": self.labels.get("job", ""),
            "node": self.labels.get("node", ""),
            "labels": {name: value for name, value in self.labels.items() if name not in _SAID_ELSEWHERE},
            "started": datetime.fromtimestamp(self.start, UTC).isoformat(),
            "ended": datetime.fromtimestamp(self.end, UTC).isoformat(),
            "seconds": round(self.end - self.start, 3),
            "value": self.value,
            "unit": self.unit,
            "text": self.text,
            "action": self.action,
        }


def gather(rules: Path, recorded: Recorded | None, span: Span, interval: float) -> list[Firing] | None:
    """Return what fired in `span`, the first first; None where the recording has no alerting rules to ask.

    Raises PrometheusError.
    """
    known = _known(rules)
    if known is None or recorded is None:
        return None
    found = []
    for series in recorded.samples('ALERTS{alertstate="firing"}', *span):
        rule = known.get(series.labels.get("alertname", ""))
        if rule is not None:
            found += [(series, rule, stretch) for stretch in _stretches(series.times, interval)]
    found.sort(key=lambda one: one[2])
    return [_firing(recorded, *one, interval) for one in found[:_MOST]]


def _known(rules: Path) -> dict[str, dict[str, Any]] | None:
    """Return the alerting rules of a file by their names; None where there are none that can be read."""
    try:
        groups = yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]
        named = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None
    return named or None


def _stretches(times: Floats, interval: float) -> Iterator[Span]:
    breaks = np.flatnonzero(np.diff(times) > _APART * interval) + 1
    for part in np.split(times, breaks):
        if len(part):
            yield float(part[0]), float(part[-1])


def _firing(recorded: Recorded, series: Series, rule: Mapping[str, Any], stretch: Span, interval: float) -> Firing:
    labels = {name: value for name, value in series.labels.items() if name not in _STATE}
    notes = rule.get("annotations") or {}
    value = _worst(recorded.query_range(rule["expr"], *stretch, interval), labels, notes.get("worst") == "lowest")
    return Firing(
        alert=rule["alert"],
        severity=series.labels.get("severity", ""),
        labels=labels,
        start=stretch[0],
        end=stretch[1],
        value=value,
        unit=notes.get("unit", ""),
        text=fill(notes.get("summary", ""), labels, value),
        action=notes.get("action", ""),
    )


def _worst(found: list[Series], labels: Mapping[str, str], lowest: bool) -> float | None:
    values = [one.values for one in found if {k: v for k, v in one.labels.items() if k not in _STATE} == labels]
    known = np.concatenate(values) if values else np.array([])
    known = known[~np.isnan(known)]
    return float(known.min() if lowest else known.max()) if len(known) else None


def fill(template: str, labels: Mapping[str, str], value: float | None) -> str:
    """Fill in {{ $labels.NAME }} and {{ $value }}, the latter through one of Prometheus's humanizing functions."""

    def replace(match: re.Match[str]) -> str:
        if match["label"]:
            return labels.get(match["label"], "")
        return "?" if value is None else display(value, _HOW.get(match["how"] or "", ""))

    return _TEMPLATE.sub(replace, template)
