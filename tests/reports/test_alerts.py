"""Alerts of a recording: when they fired, how bad it was, their words filled in; in the report and summary.json."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from prometheus import rules
from reports import alerts, build
from tests.reports import recording as made

LLM, LOAD, NODE, _ = made.TARGETS
WHERE = {"job": "llm", "node": "n0", "run_id": "r"}
FIRING = {"alertname": "QueueGrowing", "alertstate": "firing", "severity": "warning"}


def between(start: int, end: int, value: float = 1.0):
    """Return a curve that is there from `start` to before `end`."""
    return lambda t: value if start <= t < end else None


def curves() -> list[made.Curve]:
    """Make a run whose queue grew twice, and whose disk filled."""
    disk = {"job": "node", "node": "n0", "run_id": "r", "mountpoint": "/data"}
    place = disk | {"device": "sda", "fstype": "ext4", "instance": "n0:3"}
    fired = [
        made.Curve("ALERTS", "gauge", FIRING | WHERE, lambda t: 1.0 if 10 <= t < 20 or 25 <= t < 28 else None),
        made.Curve("ALERTS", "gauge", FIRING | WHERE | {"alertstate": "pending"}, between(2, 10)),
        made.Curve(
            "ALERTS", "gauge",
            {"alertname": "DiskFilling", "alertstate": "firing", "severity": "warning"} | disk, between(15, 18),
        ),
    ]  # fmt: skip
    return [
        *made.llm_curves(),
        *fired,
        made.Curve("service:queue_depth", "gauge", WHERE, lambda t: 10.0 + t),
        made.Curve("node_filesystem_size_bytes", "gauge", place, lambda _t: 1000.0),
        made.Curve("node_filesystem_avail_bytes", "gauge", place, lambda t: 500.0 - 10.0 * t),
    ]


def summarised(place: Path, rendered: str | None) -> tuple[dict, str]:
    """Write the recording with a rules.yml, judge it, and return its summary and its report."""
    run = made.Recording(made.llm_rows(), curves()).write(place / "recordings")
    if rendered is not None:
        (run.configs / rules.FILE).write_text(rendered)
    build.build(run, place / "scratch")
    return json.loads(run.summary.read_text()), run.report.read_text()


@pytest.mark.real
def test_what_fired(tmp_path: Path) -> None:
    """Each stretch by itself, the worst value of it, the text as Prometheus would have written it, and what to do."""
    facts, page = summarised(tmp_path, rules.render(1.0))
    found = facts["alerts"]
    assert [(one["alert"], one["seconds"]) for one in found] == [
        ("QueueGrowing", 9.0), ("DiskFilling", 2.0), ("QueueGrowing", 2.0),
    ]  # fmt: skip
    queue, disk, again = found
    assert queue["started"] == (made.START + timedelta(seconds=10.3)).isoformat()
    assert (queue["value"], again["value"], queue["job"], queue["node"]) == (29.0, 37.0, "llm", "n0")
    assert queue["text"] == "the queue of llm on n0 grows, 29 requests wait"
    # The lowest is the worst of what runs out.
    assert disk["value"] == pytest.approx(0.33)
    assert disk["text"] == "/data of n0 will be full within 5 minutes; 33 % is free"
    assert disk["labels"] == {"mountpoint": "/data"}
    assert "the queue of llm on n0 grows, 29 requests wait" in page
    assert "Lower the rate." in page
    assert facts["valid"], "an alert says nothing against the numbers"


@pytest.mark.real
@pytest.mark.parametrize("text", [None, "groups: [", "groups: []"])
def test_no_rules(text: str | None, tmp_path: Path) -> None:
    """A recording of before there were rules, or with a broken file, says that there are none, and is judged."""
    facts, page = summarised(tmp_path, text)
    assert facts["alerts"] is None
    assert "The recording has no alerting rules" in page


def test_fill() -> None:
    """Labels and the value are filled in; a value that cannot be had again is a question mark."""
    template = "{{ $labels.job }} at {{ $value | humanizePercentage }}, {{ $value | humanizeDuration }}, {{ $value }}"
    assert alerts.fill(template, {"job": "a"}, 0.25) == "a at 25 %, 250 ms, 0.25"
    assert alerts.fill(template, {}, None) == " at ?, ?, ?"


def test_nothing_recorded(tmp_path: Path) -> None:
    """A run without series has no alerts to tell of."""
    (tmp_path / rules.FILE).write_text(rules.render(1.0))
    assert alerts.gather(tmp_path / rules.FILE, None, (0.0, 1.0), 1.0) is None
